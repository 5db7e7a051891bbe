//! Searches the tokens of Rust source: [`Code`] has no comments, and strings have no content.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// The tokens of a file, each with its line. The content of a string is an ellipsis.
pub struct Code(Vec<(usize, String)>);

impl Code {
    /// Reads source. The compiler explains source that has no tokens.
    pub fn parse(source: &str) -> Self {
        let mut code = Code(Vec::new());
        code.add_all(source.parse().unwrap_or_default());
        code
    }

    fn add_all(&mut self, tokens: TokenStream) {
        for token in tokens {
            let text = match &token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.add(group.span_open(), open);
                    self.add_all(group.stream());
                    self.add(group.span_close(), close);
                    continue;
                }
                TokenTree::Literal(literal) => match literal.to_string() {
                    text if text.ends_with(['"', '#']) && text != "\"\"" => "\"…\"".to_owned(),
                    text => text,
                },
                other => other.to_string(),
            };
            self.add(token.span(), &text);
        }
    }

    fn add(&mut self, span: Span, text: &str) {
        self.0.push((span.start().line, text.to_owned()));
    }

    /// The line of the first tokens that are, without spaces, `wanted`.
    pub fn line_of(&self, wanted: &str) -> Option<usize> {
        let text_from = |start: usize| -> String {
            let tokens = self.0[start..].iter().take(wanted.len());
            tokens.map(|(_, text)| text.as_str()).collect()
        };
        let start = (0..self.0.len()).find(|start| text_from(*start).starts_with(wanted))?;
        Some(self.0[start].0)
    }

    /// The first parameter with a leading underscore, which marks it as unused: line and name.
    pub fn underscore_parameter(&self) -> Option<(usize, &str)> {
        self.0.windows(3).find_map(|tokens| {
            let [(line, name), (_, colon), (_, next)] = tokens else {
                return None;
            };
            let is_parameter = name.len() > 1 && name.starts_with('_') && colon == ":";
            (is_parameter && next != ":").then_some((*line, name.as_str()))
        })
    }

    /// Whether this is one of the tokens.
    pub fn has_token(&self, wanted: &str) -> bool {
        self.0.iter().any(|(_, text)| text == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_searched() {
        let code = Code::parse(
            "/// todo!()\nfn a() {} // todo!()\n/* todo!() /* x */ y */ fn b() { \"todo!() \\\" // x\"; '\"'; \
             r#\"todo!() \" \"#; br\"todo!()\"; }\nfn c<'a>() { todo! (\"\"); todo!(\"d\") }",
        );
        assert_eq!(code.line_of("todo!()"), None);
        assert_eq!(code.line_of("todo!(\"\")"), Some(4));
        assert_eq!(code.line_of("todo!(\"…\")"), Some(4));
        assert_eq!(code.line_of("#[allow"), None);
        assert!(code.has_token("b") && !code.has_token("d") && !code.has_token("y"));
    }

    #[test]
    fn only_underscore_parameters_are_found() {
        let code = Code::parse("fn f(\n    _key: &str,\n) {}");
        assert_eq!(code.underscore_parameter(), Some((2, "_key")));
        let code = Code::parse("fn f(a_b: u8, _: u8) { let x = _y::Z; __m() }");
        assert_eq!(code.underscore_parameter(), None);
    }
}
