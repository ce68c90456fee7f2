//! The examples of `docs/http.md`, in their order, on one server.

use crate::support::*;

struct Example {
    line: usize,
    request: String,
    answer: String,
}

/// Every block of `http` with the block of `answer` after it.
fn examples() -> Vec<Example> {
    let page = include_str!("../../../docs/http.md");
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((number + 1, kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, _, text)), None) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    // What is only shown.
    blocks.retain(|(_, kind, _)| kind != "text");
    let pairs = blocks.chunks(2).map(|pair| match pair {
        [(line, http, request), (_, answer, text)] if http == "http" && answer == "answer" => {
            Example { line: *line, request: request.clone(), answer: text.clone() }
        }
        other => panic!("a request and its answer are expected: {other:?}"),
    });
    pairs.collect()
}

/// Head lines and body.
fn parts(text: &str) -> (Vec<&str>, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    (head.lines().collect(), body.trim())
}

/// True if the text is the pattern, in which `…` stands for anything; blanks do not count.
fn fits(pattern: &str, text: &str) -> bool {
    let [pattern, text] = [pattern, text].map(|text| text.split_whitespace().collect::<String>());
    let pieces: Vec<&str> = pattern.split('…').collect();
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return false };
    let (Some(mut rest), true) = (text.strip_prefix(*first), text.ends_with(*last)) else { return false };
    if pieces.len() == 1 {
        return rest.is_empty();
    }
    for piece in &pieces[1..pieces.len() - 1] {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.len() >= last.len()
}

#[test]
fn the_examples_are_true() {
    let site = site();
    let examples = examples();
    assert!(examples.len() >= 20, "there are {}", examples.len());
    for Example { line, request, answer } in examples {
        let (head, body) = parts(&request);
        let (method, path) = head[0].split_once(' ').unwrap();
        let headers: Vec<(&str, &str)> = head[1..].iter().filter_map(|line| line.split_once(": ")).collect();
        let reply = site.call(method, path, &headers, (!body.is_empty()).then_some(body));
        let (want, want_body) = parts(&answer);
        assert_eq!(reply.status.to_string(), want[0], "line {line}: {}", reply.text);
        for (name, value) in want[1..].iter().filter_map(|line| line.split_once(": ")) {
            assert_eq!(reply.header(name), value, "line {line}: {name}");
        }
        assert!(fits(want_body, &reply.text), "line {line}\nexpected {want_body}\nactual   {}", reply.text);
    }
}

#[test]
fn a_pattern_fits_what_it_says() {
    assert!(fits("{:a …, :b 2}", "{:a [1 2], :b 2}") && fits("1", "1") && fits("a…", "a"));
    assert!(!fits("{:a …, :b 2}", "{:a [1 2], :b 3}") && !fits("1", "11") && !fits("a…a", "a"));
}
