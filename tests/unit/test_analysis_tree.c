/* Decision trees against exhaustive searches, and rules of planted roles. */
#include "core/analysis/decision_tree.h"
#include "core/analysis/role_rules.h"
#include "tests/unit/planted_team.h"

enum { ROWS = 40, FEATURES = 3, CASES = 200 };

static struct arena scratch;

static int begin(void **state)
{
    (void)state;
    arena_init(&scratch);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&scratch);
    return 0;
}

struct toy {
    float x[ROWS * FEATURES];
    uint8_t class[ROWS];
    struct tree_rows rows;
};

static uint32_t draw(uint32_t a, uint32_t b, uint32_t c)
{
    return rng_philox(rng_key(9, RNG_TEST, RNG_DEV), a, b, c, 0).v[0];
}

/* Small whole numbers; the class follows two features, with some noise. */
static void make_toy(struct toy *t, uint32_t seed, uint32_t noise)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        for (uint32_t f = 0; f < FEATURES; f++) {
            t->x[i * FEATURES + f] = (float)rng_below(draw(i, f, seed), 6);
        }
        const float *x = t->x + i * FEATURES;
        t->class[i] = x[0] > 2.0F ? (x[1] > 3.0F ? 2 : 1) : 0;
        if (rng_below(draw(i, 9, seed), 100) < noise) {
            t->class[i] = (uint8_t)rng_below(draw(i, 10, seed), TREE_CLASSES);
        }
    }
    t->rows = (struct tree_rows){.n = ROWS, .n_features = FEATURES, .x = t->x, .class = t->class};
}

static double gini(const double *count)
{
    double n = 0.0, squares = 0.0;
    for (int c = 0; c < TREE_CLASSES; c++) {
        n += count[c];
        squares += count[c] * count[c];
    }
    return n > 0.0 ? n - squares / n : 0.0;
}

/* The least risk of any split of the rows in `in` by any feature at any value. */
static double best_split(const struct toy *t, const bool *in)
{
    double best = INFINITY;
    for (int f = 0; f < FEATURES; f++) {
        for (int cut = 0; cut < 6; cut++) {
            double left[TREE_CLASSES] = {0}, right[TREE_CLASSES] = {0}, n = 0.0, m = 0.0;
            for (int i = 0; i < ROWS; i++) {
                const bool is_left = t->x[i * FEATURES + f] <= (float)cut;
                left[t->class[i]] += in[i] && is_left;
                right[t->class[i]] += in[i] && !is_left;
                n += in[i] && is_left;
                m += in[i] && !is_left;
            }
            if (n > 0.0 && m > 0.0) {
                best = fmin(best, gini(left) + gini(right));
            }
        }
    }
    return best;
}

/* Every inner node has the best split there is, and no leaf above the deepest level has one. */
static void splits_are_the_best_of_all(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct toy t;
        struct tree tree;
        make_toy(&t, seed, 30);
        assert_int_equal(tree_grow(&tree, &t.rows, TREE_DEPTH, 1, &scratch), ERR_OK);
        for (int k = 0; k < tree.n_nodes; k++) {
            const struct tree_node *n = &tree.node[k];
            int depth = 0;
            bool in[ROWS];
            for (int p = n->parent; p >= 0; p = tree.node[p].parent) {
                depth++;
            }
            for (int i = 0; i < ROWS; i++) {
                in[i] = false;
                for (int at = 0;;) {
                    in[i] = in[i] || at == k;
                    if (tree.node[at].feature < 0) {
                        break;
                    }
                    at =
                        (double)t.x[i * FEATURES + tree.node[at].feature] <= tree.node[at].threshold
                            ? tree.node[at].left
                            : tree.node[at].right;
                }
            }
            const double best = best_split(&t, in), own = gini(n->count);
            if (n->feature >= 0) {
                const double got = gini(tree.node[n->left].count) + gini(tree.node[n->right].count);
                assert_true(fabs(got - best) < 1e-6);
                assert_true(n->threshold >= 0.0 && n->threshold < 5.0);
            } else if (depth < TREE_DEPTH) {
                assert_true(best > own - 1e-6);
            }
        }
    }
}

/* Without noise two questions tell the class, and of all trees of depth 2 none does better: the
 * risk is 0. */
static void a_rule_of_two_questions_is_found(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 20; seed++) {
        struct toy t, held;
        struct tree tree;
        make_toy(&t, seed, 0);
        make_toy(&held, 1000 + seed, 0);
        assert_int_equal(tree_grow(&tree, &t.rows, 2, 1, &scratch), ERR_OK);
        tree_prune(&tree, &held.rows);
        assert_int_equal(tree_leaves(&tree), 3);
        for (int i = 0; i < ROWS; i++) {
            const int leaf = tree_leaf(&tree, held.x + i * FEATURES);
            assert_int_equal(tree_class(&tree.node[leaf]), held.class[i]);
        }
    }
}

/* ---- pruning ---- */

static double risk_of(const struct tree *t, int k)
{
    return t->node[k].feature < 0 ? gini(t->node[k].count)
                                  : risk_of(t, t->node[k].left) + risk_of(t, t->node[k].right);
}

/* Least risk + price * leaves of any subtree below k: the exhaustive search. */
static double best_price(const struct tree *t, int k, double price)
{
    const double leaf = gini(t->node[k].count) + price;
    return t->node[k].feature < 0 ? leaf
                                  : fmin(leaf, best_price(t, t->node[k].left, price) +
                                                   best_price(t, t->node[k].right, price));
}

/* The chosen subtree is the best of all subtrees at some price of a leaf, and of pure noise nothing
 * is left. */
static void subtrees_are_the_best_at_a_price(void **state)
{
    int roots = 0;
    (void)state;
    for (uint32_t seed = 0; seed < CASES; seed++) {
        struct toy t, held;
        struct tree whole, tree;
        bool best = false;
        make_toy(&t, seed, seed % 2 == 0 ? 30 : 100);
        make_toy(&held, 1000 + seed, seed % 2 == 0 ? 30 : 100);
        assert_int_equal(tree_grow(&whole, &t.rows, TREE_DEPTH, 1, &scratch), ERR_OK);
        tree = whole;
        tree_prune(&tree, &held.rows);
        for (int step = 0; step <= 4000 && !best; step++) {
            const double price = step * 0.005;
            const double own = risk_of(&tree, 0) + price * tree_leaves(&tree);
            best = own <= best_price(&whole, 0, price) + 1e-6 + 0.005 * tree_leaves(&whole);
        }
        assert_true(best);
        roots += seed % 2 == 1 && tree_leaves(&tree) == 1;
    }
    assert_true(roots > CASES / 4);
}

/* ---- rules ---- */

struct learned {
    struct arena arena;
    struct trajectory_set set;
    int *label;
    struct role_rules rules[PLANTED_AGENTS];
};

static void learn(struct learned *l)
{
    const struct planted_cfg team = {
        .kind = PLANTED_FOUR, .seed = 4, .n_episodes = 40, .n_steps = 60};
    arena_init(&l->arena);
    planted_team(&l->set, &l->arena, &team);
    l->label = ARENA_NEW(&l->arena, trajectory_count(&l->set), int);
    int *part = ARENA_NEW(&l->arena, l->set.n_episodes, int);
    assert_int_equal(arena_error(&l->arena), ERR_OK);
    for (int i = 0; i < trajectory_count(&l->set); i++) {
        l->label[i] = i % PLANTED_AGENTS;
    }
    assert_int_equal(role_parts(part, &l->set, &scratch), ERR_OK);
    for (int k = 0; k < PLANTED_AGENTS; k++) {
        assert_int_equal(role_rules_learn(&l->rules[k], &l->set, l->label, k, part, &scratch),
                         ERR_OK);
    }
}

/* Coverage on held-out episodes is near the level, masks grow with it, and role 3 may tend service
 * 3 only. */
static void rules_cover_what_was_done(void **state)
{
    struct learned l;
    (void)state;
    learn(&l);
    for (int k = 0; k < PLANTED_AGENTS; k++) {
        const struct role_rules *r = &l.rules[k];
        assert_true(r->changes > 50.0);
        for (int level = 0; level < RULE_LEVELS; level++) {
            assert_true(r->coverage[level] > rule_levels[level] - 0.1);
            assert_true(level == 0 || r->mask_size[level] >= r->mask_size[level - 1]);
        }
        assert_true(r->mask_size[RULE_LEVELS - 1] < 12.0); /* of 25 */
        assert_true(r->fidelity >= r->fidelity_none - 0.02);
    }
    const struct role_rules *r = &l.rules[3];
    for (int leaf = 0; leaf < r->n_leaves; leaf++) {
        const struct role_range *g = &r->range[RULE_LEVELS - 1][leaf];
        if (g->least_up != 0) {
            struct buf text;
            buf_init(&text);
            assert_int_equal(role_rules_condition(&text, r, &l.set, leaf), ERR_OK);
            assert_int_equal(buf_append(&text, "", 1), ERR_OK);
            assert_non_null(strstr((const char *)text.data, "service.id == 3"));
            buf_release(&text);
        }
    }
    arena_release(&l.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_are_the_best_of_all),
        cmocka_unit_test(a_rule_of_two_questions_is_found),
        cmocka_unit_test(subtrees_are_the_best_at_a_price),
        cmocka_unit_test(rules_cover_what_was_done),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
