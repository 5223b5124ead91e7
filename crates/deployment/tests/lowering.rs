//! What documents are lowered to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

fn lowered(document: &str) -> String {
    match deployment::read(document.as_bytes()) {
        Ok(deployment) => deployment.configuration(),
        Err(problems) => panic!(
            "{}",
            problems
                .iter()
                .map(|problem| format!("{problem}\n"))
                .collect::<String>()
        ),
    }
}

#[test]
fn it_lowers_a_pinned_service_with_a_reference() {
    let text = lowered(
        r#"<deployable name="shop">
             <assemblies>
               <assembly name="web1" address="unix:/run/web1">
                 <services>
                   <service name="httpd" class="ocf" provider="heartbeat" type="apache" monitor_interval="10s"
                            escalation_failures="3" escalation_period="5m">
                     <parameters>
                       <parameter name="port"><value>8080</value></parameter>
                       <parameter name="db_ip"><reference assembly="db1" parameter="ipaddress"/></parameter>
                     </parameters>
                   </service>
                 </services>
               </assembly>
               <assembly name="db1" address="unix:/run/db1">
                 <attributes><attribute name="ipaddress" value="10.0.0.5"/></attributes>
               </assembly>
             </assemblies>
           </deployable>"#,
    );
    insta::assert_snapshot!(text);
}
