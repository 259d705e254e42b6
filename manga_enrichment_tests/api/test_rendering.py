"""The engine renders as API Gateway does, as far as our templates go."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.api.rendering import Rendered, RenderingError, TemplateInput, render

FIX = "$util.escapeJavaScript($input.path('$.text')).replaceAll(\"\\\\'\", \"'\")"


def rendered(template: str, **given_: object) -> Rendered:
    return render(template, TemplateInput(**given_))  # type: ignore[arg-type]


@given(st.text())
def test_an_escaped_text_without_its_apostrophes_is_json_for_the_same_text(text: str) -> None:
    assert json.loads(f'"{rendered(FIX, body=json.dumps({"text": text})).text}"') == text


def test_escape_javascript_alone_is_no_json() -> None:
    escaped = rendered("$util.escapeJavaScript($input.path('$.text'))", body='{"text": "it\'s / \\u3042"}').text
    assert escaped == "it\\'s \\/ \\u3042"
    with pytest.raises(ValueError, match="Invalid"):
        json.loads(f'"{escaped}"')


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$input.json('$')", '{"a": {"b": [1, "x"]}}'),
        ("$input.json('$.a')", '{"b": [1, "x"]}'),
        ("$input.path('$.a.b.1')", "x"),
        ("$input.path('$.a.b.7')$input.path('$.no.such')", ""),
        ("$input.params('p')$input.params('q')$input.params('h')$input.params('none')", "PQH"),
        ("$input.params().querystring.get('p')", "Q2"),
        ("$stageVariables.v $context.c.d $unknown", "V D "),
        ('$util.urlEncode("a b&c=*~\'")', "a+b%26c%3D*%7E%27"),
        ("a##comment\nb", "ab"),
        ("#set($x = 'UPPER')#if($x == \"UPPER\")$x.toLowerCase()#{else}no#end", "upper"),
    ],
)
def test_variables_and_functions_give_what_they_should(template: str, text: str) -> None:
    result = rendered(
        template,
        body='{"a": {"b": [1, "x"]}}',
        path={"p": "P"},
        query={"p": "Q2", "q": "Q"},
        headers={"h": "H"},
        context={"c": {"d": "D"}},
        stage_variables={"v": "V"},
    )
    assert result.text == text


def test_overrides_are_told() -> None:
    template = '#set($context.responseOverride.status = 404)#set($context.responseOverride.header.Retry-After = "5")x'
    assert rendered(template) == Rendered("x", 404, {"Retry-After": "5"})


def test_a_body_is_never_read_as_a_template() -> None:
    assert rendered("$input.path('$.a')", body='{"a": "#set($x = 1)$context.c"}').text == "#set($x = 1)$context.c"


@pytest.mark.parametrize("template", ["#if($a)", "#set($x = )", "$input.path()", "#foreach($x in 5)$x#end"])
def test_a_template_that_is_none_or_fails_is_an_error(template: str) -> None:
    with pytest.raises(RenderingError):
        rendered(template)
