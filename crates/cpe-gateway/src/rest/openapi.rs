//! What the contract says of all resources alike.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, Object, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
    Schema,
};

use crate::identity::COOKIE;
use crate::problem::{Mistake, Problem};

/// Refusals that every resource may give.
const ALWAYS: &[(&str, &str)] = &[
    ("400", "The request means nothing"),
    ("401", "Nobody knows who asks"),
    ("403", "Not allowed"),
    ("405", "Not with this method"),
    ("406", "Not in a form that the caller takes"),
    ("429", "Too often, or too much at once"),
    ("500", "A mistake of the gateway or of cpe"),
    ("503", "Not now"),
];
/// Those of resources with a body.
const WITH_BODY: &[(&str, &str)] = &[
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body is not of that type"),
];

/// The contract's first lines.
pub(super) fn about() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Cloud Policy Engine")
        .description(Some(
            "Deployments of a host: what they do, and how they are changed. Errors are RFC 9457, with lines and columns of documents. \
             Without a token, all requests but GET and HEAD need the header `X-CPE-Request: 1`.",
        ))
        .version("1")
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds what holds for all resources.
pub(super) fn complete(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    for (name, schema) in [schema::<Problem>(), schema::<Mistake>()] {
        components.schemas.insert(name, schema);
    }
    if let Some(RefOr::T(Schema::OneOf(orders))) = components.schemas.get_mut("Ordered") {
        // The derivation does not say that an order has no other fields.
        for order in &mut orders.items {
            if let RefOr::T(Schema::Object(order)) = order {
                let none = AdditionalProperties::FreeForm(false);
                order.additional_properties = Some(Box::new(none));
            }
        }
    }
    if let Some(RefOr::T(Schema::Object(proposal))) = components.schemas.get_mut("Proposal") {
        for field in proposal.properties.values_mut() {
            if let RefOr::T(Schema::Object(field)) = field {
                without_zero(field);
            }
        }
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cpe_ID_SECRET")
        .build();
    let certificate = SecurityScheme::MutualTls {
        description: Some("A certificate of `tls.client_ca`".to_owned()),
        deprecated: None,
        extensions: None,
    };
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme("certificate", certificate);
    let cookie = "Given by `POST /v1/session`, over TLS";
    let cookie = ApiKeyValue::with_description(COOKIE, cookie);
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let none: [&str; 0] = [];
    let needed =
        ["token", "certificate", "session"].map(|name| SecurityRequirement::new(name, none));
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            let is_login = matches!(
                operation.operation_id.as_deref(),
                Some("log_in" | "log_out_by_form")
            );
            let is_closed = path.starts_with("/v1") && !is_login;
            match is_closed {
                true => operation.security = Some(needed.to_vec()),
                false => operation.security = Some(Vec::new()),
            }
            refusals(operation, is_closed);
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
                {
                    // One that is absent is not written as `null`.
                    if let SchemaType::Array(kinds) = &schema.schema_type
                        && let [kind, Type::Null] = &kinds[..]
                    {
                        schema.schema_type = SchemaType::Type(kind.clone());
                    }
                    if parameter.name == "If-None-Match" {
                        schema.enum_values = Some(vec!["*".into()]);
                    }
                    without_zero(schema);
                }
            }
        }
    }
}

/// Says of a text that it has no zero byte, which the bus does not carry.
fn without_zero(schema: &mut Object) {
    let is_text = match &schema.schema_type {
        SchemaType::Type(kind) => *kind == Type::String,
        SchemaType::Array(kinds) => kinds.contains(&Type::String),
        SchemaType::AnyValue => false,
    };
    let is_free = schema.pattern.is_none() && schema.format.is_none();
    if is_text && is_free && schema.enum_values.is_none() {
        schema.pattern = Some("^[^\\u0000]*$".to_owned());
    }
}

fn schema<T: utoipa::ToSchema>() -> (String, RefOr<utoipa::openapi::Schema>) {
    (T::name().into_owned(), T::schema())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    all.into_iter().flatten()
}

fn refusals(operation: &mut Operation, is_closed: bool) {
    let with_body = match operation.request_body {
        Some(_) => WITH_BODY,
        None => &[],
    };
    let always = ALWAYS.iter().filter(|it| is_closed || it.0 != "401");
    for (status, description) in always.chain(with_body) {
        let known = operation.responses.responses.get(*status);
        if known.is_none() {
            let refusal = RefOr::T(refusal(description));
            let responses = &mut operation.responses.responses;
            responses.insert((*status).to_owned(), refusal);
        }
    }
    // What a resource says of its own refusals has their form, too.
    for (status, response) in &mut operation.responses.responses {
        let is_refusal = status.starts_with('4') || status.starts_with('5');
        if let (true, RefOr::T(response)) = (is_refusal, response)
            && response.content.is_empty()
        {
            *response = refusal(&response.description.clone());
        }
    }
}

fn refusal(description: &str) -> Response {
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}
