/* Optimal string alignment distance (Damerau 1964, restricted: no substring is edited twice), by
 * dynamic programming over three rows. */
#include "core/base/nearest.h"

#include "core/base/minmax.h"

#include <string.h>

enum { WORD_MAX = 63 };

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c == '_' ? '-' : c;
}

/* Least cost of turning a[0..i) into b[0..j), i and j >= 1, given the costs of shorter pieces. The
 * last step is one of: the last letters are equal or one replaces the other (from i-1, j-1); the
 * last letter of a is removed (i-1, j); the last of b is added (i, j-1); the last two letters are
 * exchanged (i-2, j-2). `before`, `above` and `row` are rows i-2, i-1 and i. */
static int cell(const int *before, const int *above, const int *row, const char *a, const char *b,
                int i, int j)
{
    char ca = fold(a[i - 1]);
    char cb = fold(b[j - 1]);
    int cost = above[j - 1] + (ca == cb ? 0 : 1);
    cost = int_min(cost, above[j] + 1);
    cost = int_min(cost, row[j - 1] + 1);
    if (i > 1 && j > 1 && ca == fold(b[j - 2]) && fold(a[i - 2]) == cb) {
        cost = int_min(cost, before[j - 2] + 1);
    }
    return cost;
}

int nearest_distance(const char *a, const char *b)
{
    size_t len_a = strlen(a);
    size_t len_b = strlen(b);
    /* No real distance, but no suggestion either: it is larger than the third of a word that
     * nearest_to() allows. */
    if (len_a > WORD_MAX || len_b > WORD_MAX) {
        return (int)(int_min(1 << 20, (int)(len_a > len_b ? len_a : len_b)));
    }
    int rows[3][WORD_MAX + 1];
    int n = (int)len_b;
    for (int j = 0; j <= n; j++) {
        rows[0][j] = j;
    }
    for (int i = 1; i <= (int)len_a; i++) {
        /* Row i overwrites row i-3; modulo 3, i+1 is i-2 and i+2 is i-1. In round 1 row i-2 does
         * not exist and cell() does not read it. */
        int *row = rows[i % 3];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            row[j] = cell(rows[(i + 1) % 3], rows[(i + 2) % 3], row, a, b, i, j);
        }
    }
    return rows[len_a % 3][n];
}

struct nearest nearest_to(const char *typed)
{
    /* A third of the letters may be wrong: more is another word, not a slip. */
    int allowed = int_max(1, int_min(WORD_MAX, (int)strnlen(typed, WORD_MAX)) / 3);
    return (struct nearest){.typed = typed, .best = NULL, .distance = allowed + 1};
}

void nearest_offer(struct nearest *n, const char *word)
{
    /* Strictly less: of words at equal distance the first one offered wins, and one at distance
     * `allowed` + 1 never does. */
    int distance = nearest_distance(n->typed, word);
    if (distance < n->distance) {
        n->best = word;
        n->distance = distance;
    }
}

const char *nearest_word(const struct nearest *n)
{
    return n->best;
}
