/* The rows of section `tune`, and checks that need more than one of them. See tuning.h. */
#include "core/eval/tuning.h"

#include "core/base/nearest.h"
#include "core/eval/frontier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LATER (CFG_RESULT | CFG_LATER)

static const struct cfg_choice whats[] = {
    {"controller", TUNE_CONTROLLER, "parameters of tune.controller; a trial is an evaluation"},
    {"training", TUNE_TRAINING, "a trial trains, and tune.controller plays the policy"},
    {NULL, 0, NULL},
};
static const struct cfg_choice searches[] = {
    {"random", TUNE_RANDOM, "every trial gets the full budget"},
    {"halving", TUNE_HALVING, "successive halving: the best of each rung get eta times as much"},
    {NULL, 0, NULL},
};
static const struct cfg_choice objectives[] = {
    {"equal_cost", TUNE_EQUAL_COST,
     "SLO attainment minus the frontier of tune.reference at the trial's vCPU-hours"},
    {"priced", TUNE_PRICED, "tune.metric minus tune.price times mean vCPU"},
    {NULL, 0, NULL},
};

static const struct cfg_field key_fields[] = {
    CFG_STRING(struct tune_key, key, CFG_REQUIRED, LATER,
               "parameter of the controller, or key of the training"),
    CFG_DOUBLE(struct tune_key, from, "0", CFG_NO_MIN, CFG_NO_MAX, "", LATER, "least value"),
    CFG_DOUBLE(struct tune_key, to, "0", CFG_NO_MIN, CFG_NO_MAX, "", LATER, "greatest value"),
    CFG_BOOL(struct tune_key, log, "false", LATER, "drawn uniformly in the logarithm"),
    CFG_DOUBLE(struct tune_key, step, "0", 0, CFG_NO_MAX, "", LATER,
               "distance of values, from the least on; 0 = any value"),
    CFG_LIST_STRING(struct tune_key, choices, n_choices, "[]", 0, 256, LATER,
                    "values, in the place of a range"),
    CFG_END,
};

const struct cfg_field tune_fields[] = {
    CFG_ENUM(struct tune_cfg, what, "controller", whats, LATER, "what is tuned"),
    CFG_STRING(struct tune_cfg, controller, "", LATER,
               "name of the one of eval.controllers that is tuned, or plays what was trained"),
    CFG_LIST(struct tune_cfg, keys, n_keys, struct tune_key, key_fields, "[]", 0, TUNE_KEYS_MAX,
             "what is tried"),
    CFG_INT(struct tune_cfg, trials, "64", 2, TUNE_TRIALS_MAX, "", LATER,
            "sets of values; the first is that of the configuration"),
    CFG_ENUM(struct tune_cfg, search, "random", searches, LATER, "which trials get how much"),
    CFG_INT(struct tune_cfg, eta, "3", 2, 16, "", LATER, "halving: one of so many goes on"),
    CFG_INT(struct tune_cfg, rungs, "3", 2, TUNE_RUNGS_MAX, "", LATER,
            "halving: the last one has eval.episodes, or train.updates for a training"),
    CFG_ENUM(struct tune_cfg, objective, "equal_cost", objectives, LATER,
             "what a trial is judged by"),
    CFG_STRING(struct tune_cfg, reference, "static", LATER,
               "equal_cost: method whose arms in eval make the frontier"),
    CFG_STRING(struct tune_cfg, metric, "slo_attainment", LATER,
               "priced: metric of which more is better"),
    CFG_DOUBLE(struct tune_cfg, price, "0", 0, 1e6, "1/vCPU", LATER, "priced: of a mean vCPU"),
    CFG_LIST_UINT64(struct tune_cfg, train_seeds, n_train_seeds, "[]", 0, TUNE_SEEDS_MAX, LATER,
                    "training: train.seed of the policies of each trial; none = the configured"),
    CFG_UINT64(struct tune_cfg, seed, "1", LATER, "of the values that are drawn"),
    CFG_END,
};

struct tune_name tune_key_name(int key)
{
    struct tune_name name;
    (void)snprintf(name.text, sizeof name.text, "tune.keys.%d", key);
    return name;
}

int tune_metric(const char *name)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (strcmp(metric_info[m].name, name) == 0) {
            return m;
        }
    }
    return -1;
}

int tune_rungs(struct halving_rung rungs[TUNE_RUNGS_MAX], const struct tune_cfg *cfg, int full)
{
    const int n = cfg->search == TUNE_HALVING ? cfg->rungs : 1;
    halving_plan(rungs, n, cfg->eta, cfg->trials, full);
    return n;
}

static enum err check_range(const struct tune_key *k, const char *name, const struct cfg *src_locs)
{
    if (k->from == 0.0 && k->to == 0.0) {
        return cfg_error(src_locs, name,
                         "'%s' has nothing to be drawn from; add 'from: A, to: B', or 'choices: "
                         "[A, B]'",
                         k->key);
    }
    if (!(k->from < k->to)) {
        return cfg_error(src_locs, name,
                         "'%s' has an empty range, from %g to %g; 'from' must be the smaller one",
                         k->key, k->from, k->to);
    }
    if (k->step > k->to - k->from) {
        return cfg_error(src_locs, name,
                         "'%s' has a step of %g, which is more than its range from %g to %g",
                         k->key, k->step, k->from, k->to);
    }
    return k->log && !(k->from > 0.0)
               ? cfg_error(src_locs, name,
                           "'%s' is drawn in the logarithm from %g; give a 'from' above 0, or "
                           "leave 'log' out",
                           k->key, k->from)
               : ERR_OK;
}

static enum err check_key(const struct tune_cfg *cfg, int i, const struct cfg *src_locs)
{
    const struct tune_key *k = &cfg->keys[i];
    const struct tune_name name = tune_key_name(i);
    for (int j = 0; j < i; j++) {
        if (strcmp(cfg->keys[j].key, k->key) == 0) {
            return cfg_error(src_locs, name.text, "'%s' is there twice; remove one of the two",
                             k->key);
        }
    }
    if (k->n_choices == 0) {
        return check_range(k, name.text, src_locs);
    }
    if (k->from != 0.0 || k->to != 0.0 || k->step != 0.0 || k->log) {
        return cfg_error(src_locs, name.text,
                         "'%s' has choices and a range; leave out one of the two", k->key);
    }
    return ERR_OK;
}

static enum err refuse_key(const struct cfg *src_locs, const char *key, const char *unless)
{
    return cfg_error(src_locs, key, "has no effect unless %s; leave it out", unless);
}

/* A key of what was not chosen is refused if it has another value than its default: a resolved
 * configuration contains all keys. */
static enum err check_unused(const struct tune_cfg *cfg, const struct cfg *src_locs)
{
    if (cfg->search != TUNE_HALVING && (cfg->eta != 3 || cfg->rungs != 3)) {
        return refuse_key(src_locs, cfg->eta != 3 ? "tune.eta" : "tune.rungs",
                          "tune.search is halving");
    }
    if (cfg->objective != TUNE_EQUAL_COST && strcmp(cfg->reference, "static") != 0) {
        return refuse_key(src_locs, "tune.reference", "tune.objective is equal_cost");
    }
    if (cfg->objective != TUNE_PRICED && cfg->price != 0.0) {
        return refuse_key(src_locs, "tune.price", "tune.objective is priced");
    }
    if (cfg->objective != TUNE_PRICED && strcmp(cfg->metric, "slo_attainment") != 0) {
        return refuse_key(src_locs, "tune.metric", "tune.objective is priced");
    }
    return cfg->what != TUNE_TRAINING && cfg->n_train_seeds > 0
               ? refuse_key(src_locs, "tune.train_seeds", "tune.what is training")
               : ERR_OK;
}

/* Each rung must give more than the one before, and have someone to choose from. */
static enum err check_rungs(const struct tune_cfg *cfg, int full, const struct cfg *src_locs)
{
    struct halving_rung rungs[TUNE_RUNGS_MAX];
    const int n = tune_rungs(rungs, cfg, full);
    const char *unit =
        cfg->what == TUNE_TRAINING ? "updates (train.updates)" : "episodes (eval.episodes)";
    for (int k = 1; k < n; k++) {
        if (rungs[k].budget == rungs[k - 1].budget) {
            return cfg_error(src_locs, "tune.rungs",
                             "is %d: of %d %s rungs %d and %d would both have %d; set it to fewer",
                             n, full, unit, k, k + 1, rungs[k].budget);
        }
        if (rungs[k - 1].n_trials == 1) {
            return cfg_error(src_locs, "tune.rungs",
                             "is %d: of %d trials (tune.trials) with tune.eta %d one is left in "
                             "rung %d, which needs no other; set it to %d",
                             n, cfg->trials, cfg->eta, k, k);
        }
    }
    return ERR_OK;
}

static enum err check_metric(const struct tune_cfg *cfg, const struct cfg *src_locs)
{
    struct nearest near = nearest_to(cfg->metric);
    if (tune_metric(cfg->metric) >= 0) {
        return ERR_OK;
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        nearest_offer(&near, metric_info[m].name);
    }
    const char *word = nearest_word(&near);
    return cfg_error(src_locs, "tune.metric",
                     "there is no metric '%s'%s%s%s; docs/evaluation.md lists them", cfg->metric,
                     word != NULL ? "; did you mean '" : "", word != NULL ? word : "",
                     word != NULL ? "'?" : "");
}

static enum err check_seeds(const struct tune_cfg *cfg, const struct cfg *src_locs)
{
    for (int i = 0; i < cfg->n_train_seeds; i++) {
        for (int j = 0; j < i; j++) {
            if (cfg->train_seeds[i] == cfg->train_seeds[j]) {
                return cfg_error(src_locs, "tune.train_seeds",
                                 "has %llu twice; a seed gives one policy only, so name each once",
                                 (unsigned long long)cfg->train_seeds[i]);
            }
        }
    }
    return ERR_OK;
}

enum err tune_check(const struct tune_cfg *cfg, int full, const struct cfg *src_locs)
{
    if (cfg->n_keys == 0) {
        return cfg_error(src_locs, "tune.keys",
                         "there is nothing to try; add for example 'keys: [{key: utilisation, "
                         "from: 0.4, to: 0.95}]'");
    }
    for (int i = 0; i < cfg->n_keys; i++) {
        TRY(check_key(cfg, i, src_locs));
    }
    TRY(check_unused(cfg, src_locs));
    TRY(check_metric(cfg, src_locs));
    TRY(check_seeds(cfg, src_locs));
    return check_rungs(cfg, full, src_locs);
}
