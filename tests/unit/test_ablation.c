/* A spec of an ablation: its runs and their order, what their configurations are made of, and what
 * is refused. */
#include "core/eval/ablation.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

struct world {
    struct arena arena;
    struct cfg reader;
    struct ablation_spec spec;
    struct heard heard;
};

static int set_up(void **state)
{
    static struct world w;
    arena_init(&w.arena);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    arena_release(&w->arena);
    return 0;
}

static enum err load(struct world *w, const char *text)
{
    cfg_init(&w->reader, ablation_fields, sizeof w->spec, &w->arena);
    heard_begin(&w->heard);
    enum err e = cfg_load_text(&w->reader, "spec", text, NULL, 0, &w->spec);
    if (e == ERR_OK) {
        e = ablation_check(&w->spec, &w->reader);
    }
    heard_end();
    return e;
}

static const char two_by_two[] = "base: [b.yaml, c.yaml]\n"
                                 "settings: [train.updates=3]\n"
                                 "evaluation: e.yaml\n"
                                 "evaluation_settings: [eval.episodes=4]\n"
                                 "collect: t.yaml\n"
                                 "seeds: [7, 8]\n"
                                 "scenarios:\n"
                                 "  - {name: calm}\n"
                                 "  - {name: rough, include: [r.yaml], settings: [a.b=1],\n"
                                 "     collect: u.yaml, collect_settings: [eval.episodes=9]}\n"
                                 "variants:\n"
                                 "  - {name: one, include: [o.yaml], settings: [c.d=2]}\n"
                                 "  - {name: two, label: the second, seeds: [5]}\n"
                                 "  - {name: rules, kind: controllers, include: [k.yaml],\n"
                                 "     settings: [c.d=3], scenarios: [rough]}\n";

static void runs_and_their_order(void **state)
{
    struct world *w = *state;
    static const struct ablation_run expected[] = {{0, 0, 7}, {1, 0, 5}, {0, 1, 7}, {1, 1, 5},
                                                   {2, 1, 0}, {0, 0, 8}, {0, 1, 8}};
    enum { N = sizeof expected / sizeof *expected };
    struct ablation_run *runs;
    int n;
    assert_int_equal(load(w, two_by_two), ERR_OK);
    assert_int_equal(ablation_runs(&runs, &n, &w->spec, &w->arena), ERR_OK);
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(runs[i].variant, expected[i].variant);
        assert_int_equal(runs[i].scenario, expected[i].scenario);
        assert_int_equal(runs[i].seed, expected[i].seed);
    }
    assert_string_equal(ablation_label(&w->spec.variants[0]), "one");
    assert_string_equal(ablation_label(&w->spec.variants[1]), "the second");
}

/* "b.yaml c.yaml ... | a=1 ..." */
static void assert_sources(struct world *w, const struct ablation_run *r, enum ablation_part part,
                           const char *expected)
{
    struct ablation_sources s;
    char text[512] = "";
    assert_int_equal(ablation_sources(&s, &w->spec, r, part, 2, &w->arena), ERR_OK);
    for (int i = 0; i < s.n_files; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", s.files[i].path);
        assert_null(s.files[i].text);
    }
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "|");
    for (int i = 0; i < s.n_sets; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), " %s", s.sets[i]);
    }
    assert_string_equal(text, expected);
    assert_null(s.sets[s.n_sets]); /* room for the caller's */
    assert_null(s.sets[s.n_sets + 1]);
}

static void what_configurations_are_made_of(void **state)
{
    struct world *w = *state;
    const struct ablation_run calm = {0, 0, 7}, rough = {0, 1, 7}, rules = {2, 1, 0};
    assert_int_equal(load(w, two_by_two), ERR_OK);
    assert_sources(w, &calm, ABLATION_TRAIN, "b.yaml c.yaml o.yaml | train.updates=3 c.d=2");
    assert_sources(w, &rough, ABLATION_TRAIN,
                   "b.yaml c.yaml o.yaml r.yaml | train.updates=3 a.b=1 c.d=2");
    assert_sources(w, &rough, ABLATION_EVALUATE, "e.yaml r.yaml | eval.episodes=4 a.b=1");
    assert_sources(w, &rules, ABLATION_EVALUATE,
                   "e.yaml k.yaml r.yaml | eval.episodes=4 a.b=1 c.d=3");
    assert_sources(w, &calm, ABLATION_COLLECT, "t.yaml |");
    assert_sources(w, &rough, ABLATION_COLLECT, "u.yaml r.yaml | eval.episodes=9 a.b=1");
}

/* A spec in which one line is wrong, and what is said of it. */
static void what_is_refused(void **state)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"evaluation: e.yaml\n", "variants: is empty"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a/b}]\n",
         "'a/b' cannot be the name of a directory"},
        {"base: [b]\nevaluation: e\nvariants: [{name: ..}]\n", "cannot be the name"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}, {name: a}]\n", "two variants 'a'"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}, {name: b, label: a}]\n",
         "have the same name in tables"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a, sampled: true}, {name: b, label: a "
         "sampled}]\n",
         "have the same name in tables"},
        {"base: [b]\nevaluation: e\nscenarios: [{name: x}, {name: x}]\nvariants: [{name: a}]\n",
         "two scenarios 'x'"},
        {"base: [b]\nevaluation: e\nscenarios: [{name: flood}]\nvariants: [{name: a, scenarios: "
         "[floods]}]\n",
         "no scenario 'floods'; did you mean 'flood'?"},
        {"base: [b]\nevaluation: e\nseeds: [1, 2, 1]\nvariants: [{name: a}]\n",
         "seed 1 occurs twice"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a, seeds: [3, 3]}]\n", "seed 3 occurs twice"},
        {"evaluation: e\nvariants: [{name: a}]\n", "no configuration to train"},
        {"evaluation: e\nvariants: [{name: a, kind: controllers, seeds: [1]}]\n",
         "trains nothing, so it has no seeds"},
        {"evaluation: e\nvariants: [{name: a, kind: controllers, sweep: costs}]\n",
         "plays controllers; give the policies there a sweep"},
        {"base: [b]\nevaluation: e\nscenarios: [{name: x, collect_settings: [a=1]}]\nvariants: "
         "[{name: a}]\n",
         "there is no collection"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}]\nclaims: [{arm: a, baseline: b, metric: "
         "slo_atainment}]\n",
         "did you mean 'slo_attainment'"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}]\nclaims: [{arm: a, baseline: b, metric: "
         "alignement}]\n",
         "did you mean 'alignment'"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}]\nclaims: [{arm: a, baseline: b, metric: "
         "recovery, level: 0.8}]\n",
         "'recovery' has no level"},
        {"base: [b]\nevaluation: e\nvariants: [{name: a}]\nclaims: [{arm: a, baseline: a}]\n",
         "compared with itself"},
        {"base: [b]\nvariants: [{name: a}]\n", "evaluation"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(load(w, rows[i].text), ERR_CONFIG);
        if (strstr(w->heard.text, rows[i].said) == NULL) {
            fail_msg("'%s' is not in: %s", rows[i].said, w->heard.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(runs_and_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_configurations_are_made_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
