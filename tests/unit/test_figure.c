/* Files of figures: names that do not collide, and what is left of the scratch arena. Scripts are
 * drawn and looked at elsewhere. */
#include "core/report/figure.h"

#include "core/base/file.h"
#include "tests/unit/eval_rows.h"
#include "tests/unit/scene.h"

static void slugs_differ(void **state)
{
    struct fixture *x = *state;
    static const char *const names[] = {"ff 0.5", "ff-0.5", "ff_0_5", "ff 0.5 2", "all", "all", ""};
    static const char *const want[] = {"ff-0-5", "ff-0-5-2", "ff-0-5-3", "ff-0-5-2-2",
                                       "all",    "all-2",    ""};
    enum { N = sizeof names / sizeof *names };
    const char *slugs[N];
    assert_int_equal(figure_slugs(slugs, &x->arena, names, N), ERR_OK);
    for (int i = 0; i < N; i++) {
        assert_string_equal(slugs[i], want[i]);
    }
}

static double two_levels(const struct eval_row *r, int metric)
{
    return metric == METRIC_OF(slo_attainment) ? 0.25 * (r->scenario + 1) : 1.0;
}

/* Scenarios 'a b' and 'a-b' have a file each, and one called 'all' is not the pooled one. */
static void scenarios_have_files_of_their_own(void **state)
{
    struct fixture *x = *state;
    struct scene scene = {.dir = ""};
    char path[200];
    assert_int_equal(scene_open(&scene), 0);
    fake_eval_init(&x->f, 3, 4);
    fake_eval_add(&x->f, "nothing", &controller_nothing, true, 1);
    fake_eval_fill(&x->f, two_levels);
    x->f.scenarios[0].name = "a b";
    x->f.scenarios[1].name = "a-b";
    x->f.scenarios[2].name = "all";
    assert_int_equal(fixture_summarise(x), ERR_OK);
    assert_int_equal(x->s.n_views, 4);
    assert_int_equal(figure_frontiers(scene.dir, &x->s, &x->scratch), ERR_OK);
    static const char *const slugs[] = {"a-b", "a-b-2", "all", "all-2"};
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/frontier-%s.csv", scene.dir, slugs[i]);
        assert_true(file_exists(path));
    }
    assert_int_equal(scene_sweep(&scene), 0);
}

/* Drawn, not drawn, of an older name, missing: the arena is as before each time. */
static void a_learning_curve_leaves_no_scratch(void **state)
{
    struct fixture *x = *state;
    static const struct {
        const char *text;
        enum err e;
    } cases[] = {
        {"env_steps,reward,slo_attainment,vcpu\n1,0,0.5,2\n", ERR_OK},
        {"env_steps,reward,slo_attainment,vcpu,explained_variance\n1,0,0.5,2,0.9\n", ERR_OK},
        {"env_steps,reward,slo_attainment,vcpu\n1,0,nan,2\n", ERR_OK},
        {"env_steps,reward,compliance,vcpu\n1,0,0.5,2\n", ERR_FORMAT},
        {NULL, ERR_IO},
    };
    struct scene scene = {.dir = ""};
    char file[200];
    assert_int_equal(scene_open(&scene), 0);
    (void)snprintf(file, sizeof file, "%s/metrics.csv", scene.dir);
    assert_non_null(arena_strdup(&x->scratch, "a chunk, so that marks have one"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct arena_mark before = arena_mark(&x->scratch);
        const char *text = cases[i].text;
        assert_int_equal(text != NULL ? file_write(file, text, strlen(text)) : file_remove(file),
                         ERR_OK);
        assert_int_equal(figure_learning(scene.dir, "metrics.csv", file, &x->scratch), cases[i].e);
        assert_int_equal(arena_mark(&x->scratch).bytes, before.bytes);
        assert_int_equal(arena_mark(&x->scratch).used, before.used);
    }
    assert_int_equal(scene_sweep(&scene), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(slugs_differ),
        TEST(scenarios_have_files_of_their_own),
        TEST(a_learning_curve_leaves_no_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
