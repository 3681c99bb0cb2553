"""The study's report: read what the steps wrote (load), work out numbers (results, stages, examples), draw and lay out (charts, page)."""
