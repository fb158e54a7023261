"""Plan → terminal, Markdown, HTML, SVG and JSON: the only rooms that print a number."""
