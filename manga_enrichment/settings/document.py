"""`docs/settings.md`, generated."""

from manga_enrichment.settings.variables import Settings


def settings_markdown() -> str:
    """`docs/settings.md`: every variable with its default and meaning."""
    lines = [
        "# Settings",
        "",
        "Environment variables; a wrong value stops everything with one sentence before any call is billed. AWS's own",
        "variables (credentials, region, endpoints, proxies) are read as boto3 does: docs/aws.md. Generated with",
        "`manga-enrichment settings-docs`.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, "", {}, ()) else f"`{default}`"
        lines.append(f"| `MANGA_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join([*lines, ""])
