"""How the report looks: what a page is made of, its drawings as SVG, and the page as HTML and as Markdown."""
