/* The shield behind controllers in episodes of the simulator, lies of the metrics, and the shield
 * as a mask of a team. The monitor judges every decision of these episodes. */
#include "core/base/log.h"
#include "core/controllers/controller.h"
#include "core/eval/episode.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/shield_monitor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STATE_MAX = 256 };
static const struct episode_id id = {.seed = 3, .split = RNG_DEV, .env = 2};

struct fixture {
    struct experiment x;
    struct episode e;
};

static void start(struct fixture *f, const char *config, const char *set)
{
    const char *sets[] = {"game.horizon=40", "eval.shield=true", set};
    assert_int_equal(experiment_load(&f->x, config, sets, set != NULL ? 3 : 2), ERR_OK);
    assert_int_equal(episode_init(&f->e, &f->x.arena, &f->x.env_setup), ERR_OK);
}

/* Asks for changes at random, some of them far too large; keeps what it was shown. */
struct wild {
    struct controller base;
    int n;
    float state[STATE_MAX], age[STATE_MAX];
    double now_s;
};

static void wild_reset(struct controller *c, const struct episode_id *episode,
                       const struct schedule *future)
{
    (void)episode;
    (void)future;
    ((struct wild *)c)->n = 0;
}

static void wild_act(struct controller *c, int32_t *delta, const float *state)
{
    struct wild *w = (struct wild *)c;
    const struct rng_key key = rng_key(4, RNG_TEST, RNG_DEV);
    const int n = state_size(c->env_setup->topology.n_services);
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        delta[s] =
            (int32_t)rng_below(rng_philox(key, (uint32_t)s, (uint32_t)w->n, 0, 0).v[0], 11) - 5;
    }
    memcpy(w->state, state, (size_t)n * sizeof *state);
    memcpy(w->age, c->view.age, (size_t)n * sizeof *state);
    w->now_s = c->view.now_s;
    w->n++;
}
static const struct controller_ops wild_ops = {.reset = wild_reset, .act = wild_act};

struct judged {
    struct wild *wild;
    struct monitor monitor;
    int altered, decisions;
};

static enum err judge(void *ctx, const struct episode_step *step)
{
    struct judged *j = ctx;
    bool altered = false;
    monitor_look(&j->monitor, j->wild->state, j->wild->age, j->wild->now_s);
    monitor_judge(&j->monitor, step->shielding->proposed, step->delta, j->wild->state);
    monitor_done(&j->monitor, step->delta);
    for (int s = 0; s < j->monitor.topology->n_services; s++) {
        altered = altered || step->delta[s] != step->shielding->proposed[s];
    }
    j->altered += altered;
    j->decisions++;
    return ERR_OK;
}

static const char DIAMOND[] = "configs/experiments/warm_start_cluster.yaml";
static const char *const scenarios[] = {
    "scenarios=[{name: storm, events: [{kind: crash_all, service: any, quiet_s: {lo: 60, hi: 120}, "
    "magnitude: {lo: 0.4, hi: 0.8}}]}]",
    "scenarios=[{name: dark, events: [{kind: metric_outage, quiet_s: {lo: 60, hi: 90}, ramp_s: "
    "{lo: 0, hi: 0}, duration_s: {lo: 60, hi: 180}, magnitude: {lo: 1, hi: 1}}]}]",
    "scenarios=[{name: flood, events: [{kind: ddos, quiet_s: {lo: 60, hi: 90}, ramp_s: {lo: 10, "
    "hi: 30}, duration_s: {lo: 60, hi: 180}, magnitude: {lo: 2.5, hi: 3.5}}]}]",
};

static void episodes_hold_every_invariant(void **state)
{
    (void)state;
    uint32_t counted = 0;
    for (size_t k = 0; k < 3; k++) {
        static struct fixture f;
        static struct judged j;
        struct episode_metrics m;
        double columns[SHIELDING_COLUMNS];
        start(&f, DIAMOND, scenarios[k]);
        struct wild w = {.base = {.ops = &wild_ops, .env_setup = &f.x.env_setup, .name = "wild"}};
        const struct episode_observer observer = {.ctx = &j, .see = judge};
        assert_int_equal(episode_shield(&f.e, &f.x.arena, f.x.env_setup.shield), ERR_OK);
        j = (struct judged){.wild = &w};
        monitor_init(&j.monitor, &f.x.cfg.shield, &f.x.env_setup.topology, &f.x.cfg.plant);
        assert_int_equal(episode_run(&f.e, &m, &w.base, 0, &id, &observer), ERR_OK);
        if (monitor_total(&j.monitor) > 0) {
            fail_msg("scenario %zu: %s", k, j.monitor.first);
        }
        assert_int_equal(j.decisions, 40);
        shielding_finish(columns, f.e.shielding);
        assert_true(columns[SHIELDING_ALTERED] == j.altered / 40.0);
        for (int r = 0; r < SHIELD_REASONS; r++) {
            counted |= columns[SHIELDING_REASON + r] > 0.0 ? 1U << r : 0U;
        }
        experiment_release(&f.x);
    }
    const uint32_t wanted = 1U << SHIELD_REASON_STEP | 1U << SHIELD_REASON_STALE |
                            1U << SHIELD_REASON_FLOOR | 1U << SHIELD_REASON_UNREADY |
                            1U << SHIELD_REASON_LOAD | 1U << SHIELD_REASON_NODE;
    assert_int_equal(counted & wanted, wanted);
}

/* With a step bound the shield allows no more than is executed, so it takes none of its own writes
 * for a foreign change. */
static void a_step_bound_is_a_step_cap(void **state)
{
    (void)state;
    static struct fixture f;
    static struct judged j;
    struct episode_metrics m;
    start(&f, DIAMOND, scenarios[2]);
    struct wild w = {.base = {.ops = &wild_ops, .env_setup = &f.x.env_setup, .name = "wild"}};
    const struct episode_observer observer = {.ctx = &j, .see = judge};
    struct shield_cfg limits = f.x.cfg.shield;
    limits.step_out = limits.step_in = 1;
    f.e.step_bound = 1;
    assert_int_equal(episode_shield(&f.e, &f.x.arena, f.x.env_setup.shield), ERR_OK);
    j = (struct judged){.wild = &w};
    monitor_init(&j.monitor, &limits, &f.x.env_setup.topology, &f.x.cfg.plant);
    assert_int_equal(episode_run(&f.e, &m, &w.base, 0, &id, &observer), ERR_OK);
    if (monitor_total(&j.monitor) > 0) {
        fail_msg("%s", j.monitor.first);
    }
    for (int s = 0; s < f.x.env_setup.topology.n_services; s++) {
        assert_true(isnan(shield_service_past(&f.e.shielding->history, s)->foreign_s));
    }
    experiment_release(&f.x);
}

/* Limits of a shield that stands nowhere bind nobody: this lag is longer than shield.stale_s. */
static void unused_limits_refuse_nothing(void **state)
{
    (void)state;
    static struct fixture f;
    const char *off[] = {"plant.lag_s=40"}, *on[] = {"plant.lag_s=40", "eval.shield=true"};
    assert_int_equal(experiment_load(&f.x, DIAMOND, off, 1), ERR_OK);
    assert_null(f.x.env_setup.shield);
    experiment_release(&f.x);
    assert_int_equal(experiment_load(&f.x, DIAMOND, on, 2), ERR_CONFIG);
    experiment_release(&f.x);
}

/* Where the shield alters nothing, an episode behind it is the same to the bit. */
static void nothing_altered_is_nothing_changed(void **state)
{
    (void)state;
    struct episode_metrics m[2];
    double columns[SHIELDING_COLUMNS];
    for (int shielded = 0; shielded < 2; shielded++) {
        static struct fixture f;
        struct controller *c;
        start(&f, DIAMOND, "scenarios=[{name: quiet}]");
        assert_int_equal(controller_new(&c, &f.x.arena, &f.x.cfg.eval.controllers[0],
                                        &f.x.env_setup, &f.x.rules, NULL),
                         ERR_OK);
        if (shielded) {
            assert_int_equal(episode_shield(&f.e, &f.x.arena, f.x.env_setup.shield), ERR_OK);
        }
        assert_int_equal(episode_run(&f.e, &m[shielded], c, 0, &id, NULL), ERR_OK);
        if (shielded) {
            shielding_finish(columns, f.e.shielding);
        }
        experiment_release(&f.x);
    }
    assert_true(columns[SHIELDING_ALTERED] == 0.0);
    assert_memory_equal(&m[0].slo_attainment, &m[1].slo_attainment, sizeof(double));
    assert_memory_equal(&m[0].vcpu, &m[1].vcpu, sizeof(double));
}

/* ---- lies ---- */

static void lies_show_other_loads_and_true_pods(void **state)
{
    (void)state;
    enum { N = 2 * SERVICE_FEATURES + GLOBAL_FEATURES };
    struct arena arena;
    struct lie l;
    float truth[N];
    arena_init(&arena);
    for (int kind = LIE_FACTOR; kind <= LIE_FROZEN; kind++) {
        const struct lie_cfg cfg = {
            .kind = kind, .factor = 0.5, .start_s = 30, .duration_s = 30, .every_s = 90};
        assert_int_equal(lie_init(&l, &arena, &cfg, 2), ERR_OK);
        lie_begin(&l);
        for (int t = 0; t < 12; t++) {
            for (int i = 0; i < N; i++) {
                truth[i] = (float)(100 * t + i);
            }
            const bool lies = t == 2 || t == 3 || t == 8 || t == 9;
            const float *shown = lie_shown(&l, truth, 15.0 * t);
            assert_int_equal(shown != truth, lies);
            const int cpu = state_service_at(1, SF_CPU), pods = state_service_at(1, SF_READY);
            const float begun = (float)(100 * (t - t % 2) + cpu);
            const float expected = !lies                ? truth[cpu]
                                   : kind == LIE_FACTOR ? 0.5F * truth[cpu]
                                   : kind == LIE_SIGN   ? -truth[cpu]
                                                        : begun;
            assert_true(shown[cpu] == expected);
            assert_true(shown[pods] == truth[pods]);
        }
    }
    arena_release(&arena);
}

/* A lie that begins with the episode freezes values of this one, not of the one before: results do
 * not depend on which rank plays what. */
static void a_lie_ends_with_its_episode(void **state)
{
    (void)state;
    static struct fixture f;
    struct controller *c;
    struct episode_metrics m[2];
    const struct episode_id other = {.seed = 3, .split = RNG_DEV, .env = 9};
    const struct lie_cfg cfg = {
        .kind = LIE_FROZEN, .start_s = 0, .duration_s = 86400, .every_s = 86400};
    for (int after = 0; after < 2; after++) {
        start(&f, DIAMOND, scenarios[2]);
        assert_int_equal(episode_lie(&f.e, &f.x.arena, &cfg), ERR_OK);
        assert_int_equal(controller_new(&c, &f.x.arena, &f.x.cfg.eval.controllers[2],
                                        &f.x.env_setup, &f.x.rules, NULL),
                         ERR_OK);
        if (after) {
            assert_int_equal(episode_run(&f.e, &m[1], c, 0, &other, NULL), ERR_OK);
        }
        assert_int_equal(episode_run(&f.e, &m[after], c, 0, &id, NULL), ERR_OK);
        experiment_release(&f.x);
    }
    assert_memory_equal(&m[0].slo_attainment, &m[1].slo_attainment, sizeof(double));
    assert_memory_equal(&m[0].vcpu, &m[1].vcpu, sizeof(double));
}

/* ---- as a mask ---- */

static double altered_share(const char *set, double *overrides)
{
    static struct fixture f;
    struct controller *c;
    struct episode_metrics m;
    struct controller_cfg cfg;
    double columns[SHIELDING_COLUMNS];
    start(&f, DIAMOND, set);
    const struct controller_kind *kind = NULL;
    for (int i = 0; controller_kinds[i] != NULL; i++) {
        kind = strcmp(controller_kinds[i]->name, "scripted") == 0 ? controller_kind_at(i) : kind;
    }
    assert_int_equal(controller_cfg_default(&cfg, &f.x.arena, kind), ERR_OK);
    assert_int_equal(controller_new(&c, &f.x.arena, &cfg, &f.x.env_setup, &f.x.rules, NULL),
                     ERR_OK);
    assert_int_equal(episode_shield(&f.e, &f.x.arena, f.x.env_setup.shield), ERR_OK);
    assert_int_equal(episode_run(&f.e, &m, c, 0, &id, NULL), ERR_OK);
    shielding_finish(columns, f.e.shielding);
    *overrides = columns[SHIELDING_OVERRIDES];
    experiment_release(&f.x);
    return columns[SHIELDING_ALTERED];
}

/* A team that chooses uniformly is altered less behind its mask; what is left are changes of
 * several agents that do not fit together, and increases that are required of it. */
static void masks_leave_less_to_alter(void **state)
{
    (void)state;
    double open, masked;
    const double without = altered_share("train.shield=none", &open);
    const double with = altered_share("train.shield=mask", &masked);
    assert_true(without > with && open > masked);
}

/* Every choice that the mask leaves passes the shield alone, unless that requires more of the
 * service; every choice of a change that the mask takes would be altered. Returns how many it
 * takes. The head `level`: choice k of service s is a target, and replica bounds are 1 and the
 * maximum. */
static int check_choices(const uint32_t *mask, const struct rules *r, const struct rules_memory *m,
                         const struct shield_view *v)
{
    struct shield_verdict d = m->verdict;
    const int alpha = r->env_setup->cfg.plant->alpha;
    int n = 0;
    for (int k = 0; k < r->spec.n_choices; k++) {
        int32_t change[8] = {0};
        const int s = r->choice_of[k];
        const int by = 1 + k - r->choice_at[s] - controller_desired(v->state, s);
        change[s] = by < -alpha ? -alpha : by > alpha ? alpha : by;
        shield_decide(&d, r->shield, &m->past, v, change);
        bool others = false; /* the shield requires more of other services, too: no longer alone */
        for (int i = 0; i < r->n_services; i++) {
            others = others || (i != s && d.delta[i] != 0);
        }
        n += !mask_has(mask, k);
        if (others) {
            continue;
        }
        const bool alone = d.delta[s] == change[s];
        const bool required = d.delta[s] > 0 && change[s] >= 0 && change[s] < d.delta[s];
        assert_int_equal(mask_has(mask, k), change[s] == 0 || alone || required);
    }
    return n;
}

/* A rule is imitated inside the mask, whatever it wants. */
static void check_imitation(const uint32_t *mask, const struct rules *r,
                            const struct rules_memory *m, const float *state, int32_t *action)
{
    const int words = env_mask_words(&r->spec);
    for (int target = 0; target <= 14; target += 2) {
        int32_t all[8];
        for (int s = 0; s < r->n_services; s++) {
            all[s] = s % 2 == 0 ? target : 14 - target;
        }
        rules_imitate(action, r, m, state, all);
        for (int i = 0; i < r->spec.n_agents * r->spec.n_factors; i++) {
            assert_true(mask_has(mask + i * words, action[i]));
        }
    }
}

/* head: game.action, as KEY=VALUE. levels: check_choices() knows its choices. */
static void play_masked(const char *head, bool levels)
{
    static struct fixture f;
    struct rules_memory m;
    struct plant *plant;
    struct schedule schedule;
    const char *sets[] = {"game.horizon=40", "train.shield=mask", "shield.step_in=1",
                          "shield.step_out=1", head};
    assert_int_equal(experiment_load(&f.x, DIAMOND, sets, 5), ERR_OK);
    const struct rules *r = &f.x.rules;
    const struct team_spec *spec = &r->spec;
    const int n_action = spec->n_agents * spec->n_factors;
    const int words = env_mask_words(spec);
    float *row = ARENA_NEW(&f.x.arena, spec->n_global_state, float);
    uint32_t *mask = ARENA_NEW(&f.x.arena, n_action * words, uint32_t);
    int32_t delta[8], *action = ARENA_NEW(&f.x.arena, n_action, int32_t);
    bool conflict;
    assert_non_null(r->shield);
    assert_int_equal(rules_memory_init(&m, &f.x.arena, r), ERR_OK);
    assert_int_equal(schedule_init(&schedule, &f.x.arena, f.x.env_setup.n_seconds), ERR_OK);
    assert_int_equal(env_setup_plant(&plant, &f.x.arena, &f.x.env_setup, PLANT_KIND_CLUSTER, 1),
                     ERR_OK);
    schedule_draw(&schedule, &f.x.env_setup.scenarios[0], &id, f.x.env_setup.n_seconds);
    assert_int_equal(plant_reset(plant, 0, &id, &schedule, 40), ERR_OK);
    rules_begin(&m, r, &id);
    int n_masked = 0;
    for (int t = 0; t < 40; t++) {
        const struct shield_view v = shield_view_of(plant, 0);
        rules_observe(&m, r, v.state);
        rules_shield_observe(&m, r, &v);
        rules_global_state(row, mask, r, &m, v.state);
        n_masked += levels ? check_choices(mask, r, &m, &v) : 0;
        check_imitation(mask, r, &m, v.state, action);
        for (int a = 0; a < n_action; a++) {
            action[a] = -1;
            for (int k = 0; k < spec->n_choices; k++) {
                const int choice = (k + 7 * t + 13 * a) % spec->n_choices;
                if (action[a] < 0 && mask_has(mask + a * words, choice)) {
                    action[a] = choice;
                }
            }
            assert_true(action[a] >= 0);
        }
        rules_apply(delta, &conflict, &m, r, v.state, action);
        for (int s = 0; s < r->n_services; s++) {
            assert_true(m.verdict.delta[s] == delta[s]);
        }
        assert_int_equal(plant_step(plant, delta, NULL, NULL), ERR_OK);
    }
    assert_true(n_masked > 40 || !levels);
    experiment_release(&f.x);
}

static void masked_choices_pass(void **state)
{
    (void)state;
    play_masked("game.action={head: level, operations: one}", true);
    play_masked("game.action={head: level, operations: all}", false);
    play_masked("game.action={head: delta, operations: one}", false);
    play_masked("game.action={head: delta, operations: all}", false);
    play_masked("game.action={head: need, operations: one}", false);
    play_masked("game.action={head: need, operations: own}", false);
    play_masked("game.action={head: need, operations: all}", false);
}

int main(void)
{
    log_init(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(episodes_hold_every_invariant),
        cmocka_unit_test(a_step_bound_is_a_step_cap),
        cmocka_unit_test(unused_limits_refuse_nothing),
        cmocka_unit_test(nothing_altered_is_nothing_changed),
        cmocka_unit_test(lies_show_other_loads_and_true_pods),
        cmocka_unit_test(a_lie_ends_with_its_episode),
        cmocka_unit_test(masks_leave_less_to_alter),
        cmocka_unit_test(masked_choices_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
