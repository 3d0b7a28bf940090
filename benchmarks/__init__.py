"""One script a figure; each writes its figures, raw numbers and versions as JSON."""
