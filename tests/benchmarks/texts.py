"""Made-up texts of any size, whose words are as unevenly common as real ones."""

import numpy as np

SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()
BLOCK = 2_000_000  # characters after which a long text begins anew


def made_up(characters: int, seed: int = 0) -> str:
    """So many characters of words and lines."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(SYLLABLES, random.integers(1, 5))) for _ in range(5000)]
    ends = np.array([" ", " ", " ", " ", ", ", ".\n"])
    odds = 1 / np.arange(1, 5001)
    count = min(characters, BLOCK) // 2
    chosen = random.choice(5000, count, p=odds / odds.sum())
    block = "".join(words[word] + end for word, end in zip(chosen, random.choice(ends, count)))[:BLOCK]
    return (block * (-(-characters // len(block))))[:characters]
