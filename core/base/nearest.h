/* The nearest word: "did you mean ...?" for mistyped keys, choices, options and commands.
 *
 *     struct nearest n = nearest_to("clpi");
 *     for (each known word) {
 *         nearest_offer(&n, word);
 *     }
 *     nearest_word(&n)   -> "clip", or NULL if nothing is close enough to be meant
 */
#ifndef KARMA_BASE_NEAREST_H
#define KARMA_BASE_NEAREST_H

struct nearest {
    const char *typed; /* borrowed */
    const char *best;  /* borrowed; NULL: nothing offered yet is close enough */
    int distance;      /* of best; what the next one must beat */
};

struct nearest nearest_to(const char *typed);
void nearest_offer(struct nearest *n, const char *word);
const char *nearest_word(const struct nearest *n);

/* Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`; case, and
 * the difference between '-' and '_', cost nothing. Words beyond 63 bytes: the longer length. */
int nearest_distance(const char *a, const char *b);

#endif
