"""The first lines of the start page, and what they print: start.txt."""

from skmatch import PairClassifierMatcher, group_matches

titles = [
    "PAPER BAG VICTORIA SECRET",
    "Paper Bag Victoria Secret",
    "Tasidal Casing HP 5 inch",
    "TASIDAL CASING HP 7 INCI",
    "casing hp tasidal 5in ori",
]
matcher = PairClassifierMatcher(random_state=0).fit(titles)  # needs no label
groups = group_matches(matcher.score_graph(titles))
for group, title in zip(groups, titles, strict=True):
    print(group, title)
