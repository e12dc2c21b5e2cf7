"""Where the pages of the estimators are: what a notebook links to."""

_SITE = "https://skmatch.github.io/skmatch"


class Documented:
    """Mixin of every estimator, before `BaseEstimator`, which shows the link."""

    _doc_link_module = "skmatch"
    _doc_link_template = f"{_SITE}/generated/skmatch.{{estimator_name}}.html"
