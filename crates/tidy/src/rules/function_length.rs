//! Functions have at most 70 lines, from `fn` to the closing brace: one fits on a screen.

use crate::{Finding, Tree, rust};

/// Lines that a function may have.
const LIMIT: usize = 70;

/// Finds functions that are too long, tests included.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.rust() {
        for function in rust::functions(&file.parts().code) {
            let lines = function.end - function.line + 1;
            if lines > LIMIT {
                let what = format!("`{}` has {lines} lines", function.name);
                let remedy = format!("split it: {LIMIT} are the limit");
                found.push(Finding::new(&file.path, function.line, what, remedy));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_may_have_70_lines_and_no_more() {
        let lines = |count: usize| format!("\nfn f() {{\n{}}}\n", "    g();\n".repeat(count - 2));
        let tree = Tree::of(&[("a.rs", &lines(70)), ("b.rs", &lines(71))]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].file.as_str(), found[0].line), ("b.rs", 2));
        assert_eq!(found[0].what, "`f` has 71 lines");
    }
}
