/* The job list of an evaluation: index -> (controller, training seed, scenario, episode) -> row. */
#include "core/eval/eval.h"

#include "core/base/frame.h"
#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/eval/episode.h"
#include "core/eval/org_observer.h"
#include "proto/eval.h"

#include <stdio.h>
#include <string.h>

static const struct cfg_choice plants[] = {
    {"cluster", PLANT_KIND_CLUSTER, "the simulator: where results are measured"},
    {"twin", PLANT_KIND_TWIN, "twin.file, to compare it with the cluster"},
    {NULL, 0, NULL},
};
static const struct cfg_choice splits[] = {
    {"dev", RNG_DEV, "for tuning"},
    {"test", RNG_TEST_SPLIT, "for the final command only"},
    {NULL, 0, NULL},
};
static const struct cfg_choice trajectories[] = {
    {"none", EVAL_TRAJECTORIES_NONE, ""},
    {"all", EVAL_TRAJECTORIES_ALL, "every episode, into trajectories.bin"},
    {NULL, 0, NULL},
};
static const struct cfg_choice intervals[] = {
    {"percentile", EVAL_PERCENTILE, "of the bootstrap"},
    {"percentile_corrected", EVAL_PERCENTILE_CORRECTED, "widened for few training seeds"},
    {"stretched", CFG_OLDER, "percentile_corrected"},
    {NULL, 0, NULL},
};
static const struct cfg_field claim_fields[] = {
    CFG_STRING(struct claim_cfg, arm, CFG_REQUIRED, CFG_RESULT, "a controller"),
    CFG_STRING(struct claim_cfg, baseline, CFG_REQUIRED, CFG_RESULT, "another one"),
    CFG_RENAMED("better", "arm"),
    CFG_RENAMED("than", "baseline"),
    CFG_END,
};
const struct cfg_field eval_fields[] = {
    CFG_LIST(struct eval_cfg, controllers, n_controllers, struct controller_cfg, controller_fields,
             "[nothing, khpa, policy]", 1, 256, "who is compared"),
    CFG_LIST(struct eval_cfg, frontier, n_frontier, struct controller_cfg, controller_fields, "[]",
             0, 256, "more points of frontiers, as controllers with show: false"),
    CFG_INT(struct eval_cfg, episodes, "30", 1, 1000000, "", CFG_RESULT,
            "of each controller in each scenario, the same for all"),
    CFG_INT(struct eval_cfg, first, "0", 0, 1000000000, "", CFG_RESULT,
            "number of the first episode, so that parts can be merged"),
    CFG_DOUBLE(struct eval_cfg, warmup_s, "0", 0, 86400, "s", CFG_RESULT,
               "of each episode: controllers act, but nothing is counted"),
    CFG_INT(struct eval_cfg, step_bound, "0", 0, 1000, "pods", CFG_RESULT | CFG_LATER,
            "largest change of a service's replicas at one decision, of rules and teams; 0 = none"),
    CFG_BOOL(struct eval_cfg, shield, "false", CFG_RESULT | CFG_LATER,
             "the shield stands behind every controller (section shield); columns shield_*"),
    CFG_TABLE(struct eval_cfg, lie, lie_fields, "metrics that lie to controllers and shield"),
    CFG_UINT64(struct eval_cfg, seed, "1", CFG_RESULT, "of the episodes; never meets training's"),
    CFG_ENUM(struct eval_cfg, split, "dev", splits, CFG_RESULT, "domain of the episodes"),
    CFG_ENUM(struct eval_cfg, plant, "cluster", plants, CFG_RESULT, "where they are played"),
    CFG_INT(struct eval_cfg, resamples, "2000", 100, 1000000, "", CFG_RESULT, "of the bootstrap"),
    CFG_DOUBLE(struct eval_cfg, confidence, "0.95", 0.5, 0.999, "", CFG_RESULT, "of the intervals"),
    CFG_ENUM(struct eval_cfg, interval, "percentile", intervals, CFG_RESULT,
             "how intervals of means and differences are made"),
    CFG_LIST(struct eval_cfg, claims, n_claims, struct claim_cfg, claim_fields, "[]", 0,
             EVAL_CLAIMS_MAX, "claims about SLO attainment, fixed beforehand"),
    CFG_DOUBLE(struct eval_cfg, effect_min, "0.02", 0, 1, "", CFG_RESULT,
               "smallest difference of SLO attainment that matters to a claim"),
    CFG_STRING(struct eval_cfg, reference, "policy", CFG_RESULT,
               "name or method of the controllers the others are compared with; the first one if "
               "there is none of it"),
    CFG_ENUM(struct eval_cfg, trajectories, "none", trajectories, CFG_OUTPUT,
             "which episodes are kept step by step"),
    CFG_STRING(struct eval_cfg, separation, "", CFG_OUTPUT,
               "name of the khpa controller at whose cost nothing < khpa < ff < oracle is judged; "
               "empty = not judged"),
    CFG_INT(struct eval_cfg, figure_episode, "-1", -1, 999999, "", CFG_OUTPUT,
            "which episode is drawn; -1 = the first in which an attack or fault has time to pass"),
    CFG_RENAMED("primary", "claims"),
    CFG_RENAMED("gate", "separation"),
    CFG_END,
};

const char *eval_split_name(const struct eval_cfg *cfg)
{
    return cfg_choice_name(splits, cfg->split);
}

enum err eval_join_frontier(struct eval_cfg *cfg, struct arena *arena)
{
    const int n = cfg->n_controllers + cfg->n_frontier;
    struct controller_cfg *all = ARENA_NEW(arena, n, struct controller_cfg);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        const bool listed = i < cfg->n_controllers;
        all[i] = listed ? cfg->controllers[i] : cfg->frontier[i - cfg->n_controllers];
        all[i].show = listed && all[i].show;
    }
    cfg->controllers = all;
    cfg->n_controllers = n;
    cfg->n_joined = cfg->n_frontier;
    cfg->frontier = NULL;
    cfg->n_frontier = 0;
    return ERR_OK;
}

struct eval_key eval_key_of(const struct eval_cfg *cfg, int c)
{
    const int n_listed = cfg->n_controllers - cfg->n_joined;
    struct eval_key key;
    (void)snprintf(key.text, sizeof key.text, "eval.%s.%d",
                   c < n_listed ? "controllers" : "frontier", c < n_listed ? c : c - n_listed);
    return key;
}

/* One controller with one training seed. */
struct arm {
    int controller, train;
    struct controller *instance;
    struct org_observer *org_observer;
};

struct eval {
    const struct eval_cfg *cfg;
    const struct env_setup *env_setup;
    struct episode episode;
    struct arm *arms;
    int n_arms, n_rows;
    struct decision_cpu *cpu; /* (n_controllers) */
    struct eval_row *rows;    /* (n_jobs), by job index */
    bool *have;               /* (n_jobs) */
    bool observed;
    struct episode_observer observer;
    struct org_metric_values
        *org_metrics;     /* (most agents of an arm) of the job that was taken last */
    struct arena scratch; /* of the decoder, empty between records */
};

/* A rule is one arm; a learned controller is one for each of its training seeds. */
static int count_arms(const struct eval_cfg *cfg, const struct eval_teams *teams)
{
    int n = 0;
    for (int c = 0; c < cfg->n_controllers; c++) {
        n += controller_needs(&cfg->controllers[c], CONTROLLER_NEEDS_POLICY) ? teams[c].n_teams : 1;
    }
    return n;
}

/* Arms in the order of jobs: controllers, then their training seeds. A policy meets the plant as it
 * was trained, which need not be by the rules of the experiment. */
static enum err init_arms(struct eval *e, struct arena *arena, const struct rules *rules,
                          const struct eval_teams *teams)
{
    int n = 0, most = 0;
    for (int c = 0; c < e->cfg->n_controllers; c++) {
        const struct controller_cfg *cfg = &e->cfg->controllers[c];
        const bool learned = controller_needs(cfg, CONTROLLER_NEEDS_POLICY);
        for (int t = 0; t < (learned ? teams[c].n_teams : 1); t++) {
            struct arm *arm = &e->arms[n++];
            *arm = (struct arm){.controller = c,
                                .train = t,
                                .org_observer = ARENA_NEW(arena, 1, struct org_observer)};
            TRY(arena_error(arena));
            TRY(controller_new(&arm->instance, arena, cfg, e->env_setup, rules,
                               learned ? &teams[c].teams[t] : NULL));
            TRY(org_observer_init(arm->org_observer, arena, arm->instance->rules, rules));
            const int n_agents = org_observer_n_agents(arm->org_observer);
            most = n_agents > most ? n_agents : most;
        }
    }
    e->org_metrics = ARENA_NEW(arena, most, struct org_metric_values);
    return arena_error(arena);
}

static int count_jobs(const struct eval *e)
{
    return e->n_arms * e->env_setup->cfg.n_scenarios * e->cfg->episodes;
}

/* Rows, tables and figures tell controllers apart by their names. */
static enum err check_names(const struct eval_cfg *cfg)
{
    for (int a = 0; a < cfg->n_controllers; a++) {
        for (int b = 0; b < a; b++) {
            const char *name = controller_label(&cfg->controllers[a]);
            if (strcmp(name, controller_label(&cfg->controllers[b])) == 0) {
                log_error("%s and %s are both called '%s'; give each a name of its own",
                          eval_key_of(cfg, b).text, eval_key_of(cfg, a).text, name);
                return ERR_CONFIG;
            }
        }
    }
    return ERR_OK;
}

static enum err find_controller(int *out, const struct eval_cfg *cfg, const char *name, int claim,
                                const char *key)
{
    struct nearest near = nearest_to(name);
    for (int c = 0; c < cfg->n_controllers; c++) {
        const char *label = controller_label(&cfg->controllers[c]);
        if (strcmp(label, name) == 0) {
            *out = c;
            return ERR_OK;
        }
        nearest_offer(&near, label);
    }
    log_error("eval.claims.%d.%s: there is no controller '%s'%s%s%s", claim, key, name,
              nearest_word(&near) != NULL ? "; did you mean '" : "",
              nearest_word(&near) != NULL ? nearest_word(&near) : "",
              nearest_word(&near) != NULL ? "'?" : "");
    return ERR_CONFIG;
}

/* Writes the controllers' indices into cfg->claims, so tables need not look for names again. */
static enum err find_claims(const struct eval_cfg *cfg)
{
    for (int i = 0; i < cfg->n_claims; i++) {
        struct claim_cfg *p = &cfg->claims[i];
        TRY(find_controller(&p->arm_index, cfg, p->arm, i, "arm"));
        TRY(find_controller(&p->baseline_index, cfg, p->baseline, i, "baseline"));
        if (p->arm_index == p->baseline_index) {
            log_error("eval.claims.%d compares '%s' with itself; name two controllers", i, p->arm);
            return ERR_CONFIG;
        }
    }
    return ERR_OK;
}

/* A configuration cannot say it; a caller could. */
static enum err check_split(const struct eval_cfg *cfg)
{
    if (cfg->split == RNG_DEV || cfg->split == RNG_TEST_SPLIT) {
        return ERR_OK;
    }
    log_error("eval.split: episodes are drawn from the domains dev and test, never from those that "
              "policies were trained on");
    return ERR_CONFIG;
}

enum err eval_new(struct eval **out, struct arena *arena, const struct eval_cfg *cfg,
                  const struct env_setup *env_setup, const struct rules *rules,
                  const struct eval_teams *teams)
{
    TRY(check_split(cfg));
    TRY(episode_check_warmup(cfg->warmup_s, env_setup));
    TRY(check_names(cfg));
    TRY(find_claims(cfg));
    struct eval *e = ARENA_NEW(arena, 1, struct eval);
    TRY(arena_error(arena));
    *e = (struct eval){.cfg = cfg, .env_setup = env_setup, .n_arms = count_arms(cfg, teams)};
    e->arms = ARENA_NEW(arena, e->n_arms, struct arm);
    e->rows = ARENA_NEW(arena, count_jobs(e), struct eval_row);
    e->have = ARENA_NEW(arena, count_jobs(e), bool);
    e->cpu = ARENA_NEW(arena, cfg->n_controllers, struct decision_cpu);
    TRY(arena_error(arena));
    TRY(episode_init_on(&e->episode, arena, env_setup, (enum plant_kind)cfg->plant));
    e->episode.warmup_s = cfg->warmup_s;
    e->episode.step_bound = cfg->step_bound;
    TRY(episode_lie(&e->episode, arena, &cfg->lie));
    if (cfg->shield) {
        CHECK(env_setup->shield != NULL);
        TRY(episode_shield(&e->episode, arena, env_setup->shield));
    }
    TRY(init_arms(e, arena, rules, teams));
    *out = e;
    return ERR_OK;
}

/* The observer of the organisation's metrics and whoever else watches, one after the other. */
struct watchers {
    struct episode_observer all[2];
    int n;
};

static void watchers_begin(void *ctx, const float *state)
{
    const struct watchers *w = ctx;
    for (int i = 0; i < w->n; i++) {
        if (w->all[i].begin != NULL) {
            w->all[i].begin(w->all[i].ctx, state);
        }
    }
}

static enum err watchers_see(void *ctx, const struct episode_step *step)
{
    const struct watchers *w = ctx;
    for (int i = 0; i < w->n; i++) {
        TRY(w->all[i].see(w->all[i].ctx, step));
    }
    return ERR_OK;
}

static void watchers_end(void *ctx, const struct episode_metrics *m)
{
    const struct watchers *w = ctx;
    for (int i = 0; i < w->n; i++) {
        if (w->all[i].end != NULL) {
            w->all[i].end(w->all[i].ctx, m);
        }
    }
}

/* Job i = (arm * n_scenarios + scenario) * episodes + episode. */
static const struct arm *arm_of(const struct eval *e, int i)
{
    return &e->arms[i / (e->cfg->episodes * e->env_setup->cfg.n_scenarios)];
}

/* Of a row: metrics, and behind them the columns of the shield. */
static int count_values(const struct eval *e)
{
    return METRIC_COUNT + (e->episode.shielding != NULL ? SHIELDING_COLUMNS : 0);
}

/* The structs of metrics hold doubles only, so a row travels as their arrays. */
static enum err put_row(struct buf *out, const struct eval *e, const struct arm *arm, int scenario,
                        uint32_t episode, const struct episode_metrics *m)
{
    double values[METRIC_COUNT + SHIELDING_COLUMNS];
    double org_metrics[ORG_LIST_MAX * ORG_METRIC_COUNT];
    struct org_metric_values of_agents[ORG_LIST_MAX];
    const int n_agents = org_observer_n_agents(arm->org_observer);
    CHECK(n_agents <= ORG_LIST_MAX);
    memcpy(values, m, sizeof *m);
    if (e->episode.shielding != NULL) {
        shielding_finish(values + METRIC_COUNT, e->episode.shielding);
    }
    if (n_agents > 0) {
        org_observer_finish(of_agents, arm->org_observer);
        memcpy(org_metrics, of_agents, (size_t)n_agents * sizeof *of_agents);
    }
    const struct eval_record r = {.controller = (uint32_t)arm->controller,
                                  .train = (uint32_t)arm->train,
                                  .scenario = (uint32_t)scenario,
                                  .episode = episode,
                                  .metrics = values,
                                  .org_metrics = org_metrics,
                                  .n_metrics = count_values(e),
                                  .n_org_metrics = n_agents * ORG_METRIC_COUNT};
    return codec_put_record(out, &r);
}

/* The identity of an episode has neither the controller nor the rank in it, so all controllers meet
 * the same arrivals and faults, wherever they are played. */
static enum err run_job(void *ctx, int i, struct buf *out)
{
    struct eval *e = ctx;
    const int episodes = e->cfg->episodes;
    const struct arm *arm = arm_of(e, i);
    const int scenario = i / episodes % e->env_setup->cfg.n_scenarios;
    const struct episode_id id = {.seed = e->cfg->seed,
                                  .split = (enum rng_split)e->cfg->split,
                                  .env = (uint32_t)(e->cfg->first + i % episodes)};
    struct watchers watchers = {.n = 0};
    const struct episode_observer all = {
        .ctx = &watchers, .begin = watchers_begin, .see = watchers_see, .end = watchers_end};
    struct episode_metrics m;
    if (arm->org_observer->on) {
        watchers.all[watchers.n++] = org_observer_callbacks(arm->org_observer);
    }
    if (e->observed) {
        watchers.all[watchers.n++] = e->observer;
    }
    e->episode.cpu = &e->cpu[arm->controller];
    TRY(episode_run(&e->episode, &m, arm->instance, scenario, &id, watchers.n > 0 ? &all : NULL));
    return put_row(out, e, arm, scenario, id.env, &m);
}

/* On the root, once for each record, in any order: a row is stored under its job. The
 * organisation's metrics are only stored until the next record, because their log takes them at
 * once. */
static enum err take_row(void *ctx, int i, const void *record, size_t bytes)
{
    struct eval *e = ctx;
    struct frame_reader reader;
    struct frame f;
    double values[METRIC_COUNT + SHIELDING_COLUMNS] = {0};
    struct eval_record r = {.n_metrics = count_values(e),
                            .n_org_metrics = eval_n_agents(e, i) * ORG_METRIC_COUNT};
    frame_reader_init(&reader, record, bytes, "evaluation record");
    TRY(frame_expect(&reader, &f, FRAME_EVAL_RECORD, CODEC_EVAL_VERSION));
    arena_init(&e->scratch);
    const enum err got = codec_get_record(&r, values, (double *)e->org_metrics, f.payload, f.n,
                                          "evaluation record", &e->scratch);
    arena_release(&e->scratch);
    TRY(got);
    struct eval_row row = {.controller = (int)r.controller,
                           .train = (int)r.train,
                           .scenario = (int)r.scenario,
                           .episode = r.episode};
    memcpy(&row.m, values, sizeof row.m);
    memcpy(row.shield, values + METRIC_COUNT, sizeof row.shield);
    eval_restore(e, i, &row);
    return ERR_OK;
}

int eval_n_agents(const struct eval *e, int i)
{
    return org_observer_n_agents(arm_of(e, i)->org_observer);
}

const char *eval_agent_name(const struct eval *e, int i, int agent)
{
    return org_observer_agent_name(arm_of(e, i)->org_observer, agent);
}

const struct org_metric_values *eval_org_metrics(const struct eval *e)
{
    return e->org_metrics;
}

const struct decision_cpu *eval_decision_cpu(const struct eval *e)
{
    return e->cpu;
}

void eval_observe(struct eval *e, const struct episode_observer *observer)
{
    e->observer = *observer;
    e->observed = true;
}

/* A row may come twice (it was read, then played again to check it) and is counted once. */
void eval_restore(struct eval *e, int i, const struct eval_row *row)
{
    e->rows[i] = *row;
    e->n_rows += e->have[i] ? 0 : 1;
    e->have[i] = true;
}

struct job_list eval_jobs(struct eval *e)
{
    return (struct job_list){
        .n = count_jobs(e), .ctx = e, .what = "evaluate", .run = run_job, .take = take_row};
}

const struct eval_row *eval_rows(const struct eval *e, int *n)
{
    *n = e->n_rows;
    return e->rows;
}
