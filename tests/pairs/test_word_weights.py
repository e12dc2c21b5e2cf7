import numpy as np
from numpy.testing import assert_array_equal

from skmatch.pairs._word_weights import compare_hashed, hash_words, make_word_classifier


def test_words_of_both_and_of_one_alone():
    titles = np.array(["Sabun cair cair", "sabun refill", ""], dtype=object)
    words = hash_words(titles)
    column = {w: hash_words([w]).indices[0] for w in ("sabun", "cair", "refill")}
    assert len(set(column.values())) == 3
    n_hashes = words.shape[1]
    compared = compare_hashed(words[[0, 0, 2]], words[[1, 2, 2]]).toarray()
    expected = np.zeros((3, 2 * n_hashes))
    expected[0, column["sabun"]] = 1
    expected[0, [n_hashes + column["cair"], n_hashes + column["refill"]]] = 1
    expected[1, [n_hashes + column["sabun"], n_hashes + column["cair"]]] = 1
    assert_array_equal(compared, expected)
    assert_array_equal(
        compare_hashed(words[[0]], words[[1]]).toarray(),
        compare_hashed(words[[1]], words[[0]]).toarray(),
    )


def test_a_word_that_parts_products_gets_another_weight_than_one_that_does_not():
    left = hash_words([f"brand{i} soap" for i in range(40)])
    right = hash_words(
        [f"brand{i} soap {'original' if i % 2 else 'refill'}" for i in range(40)]
    )
    is_match = np.arange(40) % 2 == 1
    before = np.random.get_state()[2]  # noqa: NPY002
    classifier = make_word_classifier().fit(compare_hashed(left, right), is_match)
    assert np.random.get_state()[2] == before  # noqa: NPY002
    pair = [hash_words([text]) for text in ("xyz", "xyz original", "xyz refill")]
    scores = [
        classifier.decision_function(compare_hashed(pair[0], other))[0]
        for other in pair[1:]
    ]
    assert scores[0] > 0 > scores[1]
