/* Rows of evaluations: eval.csv and org_metrics.csv. See results.h.
 *
 * Rows of one arm, training seed and scenario stand together in eval.csv and become a cell. A row
 * that begins another cell ends the one before it, so a file that was merged in another order gives
 * the same cells. If a row is damaged, the file is left out as a whole: a cell without it would
 * look like an evaluation of fewer episodes. */
#include "core/report/results_parts.h"

#include "core/base/log.h"
#include "core/base/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum key {
    KEY_CONTROLLER,
    KEY_POLICY,
    KEY_TRAIN_SEED,
    KEY_SCENARIO,
    KEY_SPLIT,
    KEY_SEED,
    KEY_EPISODE,
    KEY_DIGEST,
    KEYS
};
static const char *const key_names[KEYS] = {"controller", "policy", "train_seed", "scenario",
                                            "split",      "seed",   "episode",    "cell_digest"};

/* A file under way. The episodes of the cell that is read are collected in `episodes`. */
struct reading {
    struct results *r;
    const char *shown;
    struct columns columns;
    int keys[KEYS], metrics[METRIC_COUNT];
    struct result_cell cell;
    struct buf episodes;
    bool open; /* `cell` has a row */
};

static const char *key(const struct reading *f, enum key k)
{
    return f->columns.cells[f->keys[k]];
}

static enum err find_columns(struct reading *f)
{
    for (int k = 0; k < KEYS; k++) {
        TRY(columns_need(&f->keys[k], &f->columns, key_names[k]));
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        TRY(columns_need(&f->metrics[m], &f->columns, metric_info[m].name));
    }
    return ERR_OK;
}

static enum err damaged(const struct reading *f, enum key k)
{
    log_error("%s:%d: %s is '%s'; the file was damaged: evaluate into another directory",
              f->columns.reader.path, f->columns.reader.line, key_names[k], key(f, k));
    return ERR_FORMAT;
}

static enum err put_cell(struct reading *f)
{
    struct results *r = f->r;
    struct result_cell *cells = RESULTS_GROW(r, cells, struct result_cell);
    const size_t bytes = f->episodes.len;
    struct episode_metrics *episodes =
        ARENA_NEW(r->arena, bytes / sizeof *episodes, struct episode_metrics);
    TRY(arena_error(r->arena));
    memcpy(episodes, f->episodes.data, bytes);
    f->cell.episodes = episodes;
    f->cell.n_episodes = (int)(bytes / sizeof *episodes);
    for (int e = 0; e < f->cell.n_episodes; e++) {
        f->cell.bounded = f->cell.bounded || isfinite(episodes[e].upper_bound);
    }
    r->cells = cells;
    r->cells[r->n_cells++] = f->cell;
    f->episodes.len = 0;
    f->open = false;
    return ERR_OK;
}

/* Whether the row at hand is the next episode of the open cell. */
static bool continues(const struct reading *f, uint64_t episode)
{
    const struct result_cell *c = &f->cell;
    uint64_t seed = 0, train_seed = 0;
    return f->open && strcmp(key(f, KEY_CONTROLLER), c->name) == 0 &&
           strcmp(key(f, KEY_SCENARIO), c->scenario) == 0 &&
           strcmp(key(f, KEY_SPLIT), c->split) == 0 && strcmp(key(f, KEY_POLICY), c->policy) == 0 &&
           strcmp(key(f, KEY_DIGEST), c->digest) == 0 &&
           number_unsigned(&seed, key(f, KEY_SEED), 10, UINT64_MAX) && seed == c->seed &&
           (!c->learned || (number_unsigned(&train_seed, key(f, KEY_TRAIN_SEED), 10, UINT64_MAX) &&
                            train_seed == c->train_seed)) &&
           episode == c->first + f->episodes.len / sizeof(struct episode_metrics);
}

static enum err begin_cell(struct reading *f, uint64_t episode)
{
    struct arena *arena = f->r->arena;
    struct result_cell *c = &f->cell;
    const char *policy = key(f, KEY_POLICY), *digest = key(f, KEY_DIGEST);
    if (f->open) {
        TRY(put_cell(f));
    }
    *c = (struct result_cell){.name = arena_strdup(arena, key(f, KEY_CONTROLLER)),
                              .scenario = arena_strdup(arena, key(f, KEY_SCENARIO)),
                              .split = arena_strdup(arena, key(f, KEY_SPLIT)),
                              .learned = policy[0] != '\0',
                              .path = f->shown,
                              .line = f->columns.reader.line,
                              .first = (uint32_t)episode};
    TRY(arena_error(arena));
    if (!number_unsigned(&c->seed, key(f, KEY_SEED), 10, UINT64_MAX)) {
        return damaged(f, KEY_SEED);
    }
    if (c->learned && !number_unsigned(&c->train_seed, key(f, KEY_TRAIN_SEED), 10, UINT64_MAX)) {
        return damaged(f, KEY_TRAIN_SEED);
    }
    if (strlen(policy) >= sizeof c->policy) {
        return damaged(f, KEY_POLICY);
    }
    if (strlen(digest) >= sizeof c->digest) {
        return damaged(f, KEY_DIGEST);
    }
    memcpy(c->policy, policy, strlen(policy) + 1);
    memcpy(c->digest, digest, strlen(digest) + 1);
    f->open = true;
    return ERR_OK;
}

static enum err take_row(struct reading *f)
{
    struct episode_metrics m;
    double *values = (double *)&m;
    uint64_t episode;
    if (!number_unsigned(&episode, key(f, KEY_EPISODE), 10, UINT32_MAX)) {
        return damaged(f, KEY_EPISODE);
    }
    for (int k = 0; k < METRIC_COUNT; k++) {
        TRY(columns_number(&values[k], &f->columns, f->metrics[k]));
        if (isinf(values[k])) {
            log_error(
                "%s:%d: %s is infinite; the file was damaged: evaluate into another directory",
                f->columns.reader.path, f->columns.reader.line, metric_info[k].name);
            return ERR_FORMAT;
        }
    }
    if (!continues(f, episode)) {
        TRY(begin_cell(f, episode));
    }
    return buf_append(&f->episodes, &m, sizeof m);
}

static enum err read_rows(struct reading *f)
{
    bool more = true;
    TRY(find_columns(f));
    while (true) {
        TRY(columns_next(&f->columns, &more));
        if (!more) {
            break;
        }
        TRY(take_row(f));
    }
    return f->open ? put_cell(f) : ERR_OK;
}

/* In an ablation a scenario has the ablation's name. Where a run plays several, that name stands
 * before theirs. */
static enum err name_scenarios(struct results *r, int first, const char *scenario)
{
    bool several = false;
    for (int i = first + 1; i < r->n_cells; i++) {
        several = several || strcmp(r->cells[i].scenario, r->cells[first].scenario) != 0;
    }
    for (int i = first; i < r->n_cells; i++) {
        r->cells[i].scenario =
            several ? arena_printf(r->arena, "%s: %s", scenario, r->cells[i].scenario) : scenario;
    }
    return arena_error(r->arena);
}

/* Cells of an evaluation that was interrupted have fewer episodes than the others of their file, or
 * end in a torn row. They are left out, a sentence for each file. */
static void drop_incomplete(struct results *r, int first, const char *shown, bool torn)
{
    int most = 0, n_kept = first;
    const struct result_cell *shortest = NULL;
    for (int i = first; i < r->n_cells; i++) {
        most = r->cells[i].n_episodes > most ? r->cells[i].n_episodes : most;
    }
    struct result_cell dropped = {0};
    for (int i = first; i < r->n_cells; i++) {
        if (r->cells[i].n_episodes < most || (torn && i == r->n_cells - 1)) {
            dropped = shortest == NULL ? r->cells[i] : dropped;
            shortest = &dropped;
        } else {
            r->cells[n_kept++] = r->cells[i];
        }
    }
    if (shortest != NULL) {
        results_leave_out(r, shown,
                          "%d of its arms and scenarios are not complete, the first is '%s' in "
                          "scenario '%s' with %d of %d episodes%s; the same karma eval goes on "
                          "where it ended",
                          r->n_cells - n_kept, dropped.name, dropped.scenario, dropped.n_episodes,
                          most, torn ? ", and its last row is torn" : "");
    }
    r->n_cells = n_kept;
}

/* Nothing of a file that is damaged stays. */
enum err results_read_eval(struct results *r, const struct result_dir *d, const char *path)
{
    struct reading f = {.r = r};
    const int first = r->n_cells;
    f.shown =
        strcmp(d->shown, ".") == 0 ? "eval.csv" : arena_printf(r->arena, "%s/eval.csv", d->shown);
    TRY(arena_error(r->arena));
    TRY(columns_open(&f.columns, r->arena, path));
    buf_init(&f.episodes);
    const enum err e = read_rows(&f);
    buf_release(&f.episodes);
    columns_close(&f.columns);
    if (e != ERR_OK) {
        r->n_cells = first;
        return e;
    }
    if (r->n_cells == first) {
        log_error("%s: has no row yet; the same karma eval goes on with it", path);
        return ERR_FORMAT;
    }
    drop_incomplete(r, first, f.shown, f.columns.torn);
    return d->scenario != NULL ? name_scenarios(r, first, d->scenario) : ERR_OK;
}

/* ---- org_metrics.csv ---- */

enum agent_key { AGENT_CONTROLLER, AGENT_POLICY, AGENT_SEED, AGENT_SCENARIO, AGENT_KEYS };
static const char *const agent_keys[AGENT_KEYS] = {"controller", "policy", "train_seed",
                                                   "scenario"};
/* Older files have no compliant_unmasked. */
enum agent_column { CAN_ACT, COMPLIANT, UNMASKED, CHANCE, WINDOWS, IMPROVED, AGENT_COLUMNS };
static const char *const agent_columns[AGENT_COLUMNS] = {
    "can_act",          "compliant",       "compliant_unmasked",
    "chance_compliant", "mission_windows", "mission_improved"};
static const struct {
    enum agent_column part, whole;
} agent_shares[AGENT_SHARES] = {[AGENT_ALIGNMENT] = {COMPLIANT, CAN_ACT},
                                [AGENT_UNMASKED] = {UNMASKED, CAN_ACT},
                                [AGENT_MISSIONS] = {IMPROVED, WINDOWS},
                                [AGENT_CHANCE] = {CHANCE, CAN_ACT}};

/* A file under way; its agents are those from `first` on. */
struct agents {
    struct results *r;
    struct columns columns;
    const char *scenario; /* of the ablation; NULL: as the rows say */
    bool in_twin;
    int first, keys[AGENT_KEYS], at[AGENT_COLUMNS];
};

static bool is_agent(const struct result_agent *a, const char *name, const char *scenario,
                     uint64_t seed)
{
    return a->seed == seed && strcmp(a->name, name) == 0 && strcmp(a->scenario, scenario) == 0;
}

/* Rows of one controller, scenario and training stand together, so the last one is looked at
 * first. */
static enum err find_agent(struct result_agent **out, struct agents *f)
{
    struct results *r = f->r;
    const char *name = f->columns.cells[f->keys[AGENT_CONTROLLER]];
    const char *scenario =
        f->scenario != NULL ? f->scenario : f->columns.cells[f->keys[AGENT_SCENARIO]];
    const bool learned = f->columns.cells[f->keys[AGENT_POLICY]][0] != '\0';
    const char *seed_text = f->columns.cells[f->keys[AGENT_SEED]];
    uint64_t seed = 0;
    if (learned && !number_unsigned(&seed, seed_text, 10, UINT64_MAX)) {
        log_error("%s:%d: train_seed is '%s'; the file was damaged: evaluate into another "
                  "directory",
                  f->columns.reader.path, f->columns.reader.line, seed_text);
        return ERR_FORMAT;
    }
    for (int i = r->n_agents - 1; i >= f->first; i--) {
        if (is_agent(&r->agents[i], name, scenario, seed)) {
            *out = &r->agents[i];
            return ERR_OK;
        }
    }
    struct result_agent *agents = RESULTS_GROW(r, agents, struct result_agent);
    const struct result_agent a = {.name = arena_strdup(r->arena, name),
                                   .scenario = arena_strdup(r->arena, scenario),
                                   .seed = seed,
                                   .learned = learned,
                                   .in_twin = f->in_twin};
    TRY(arena_error(r->arena));
    r->agents = agents;
    r->agents[r->n_agents] = a;
    *out = &r->agents[r->n_agents++];
    return ERR_OK;
}

/* Of an agent that was not observed all is NaN, of a rule what it chooses. */
static enum err add_agent(struct agents *f)
{
    double x[AGENT_COLUMNS];
    struct result_agent *a;
    TRY(find_agent(&a, f));
    for (int k = 0; k < AGENT_COLUMNS; k++) {
        x[k] = NAN;
        TRY(f->at[k] >= 0 ? columns_number(&x[k], &f->columns, f->at[k]) : ERR_OK);
        if (x[k] < 0.0 || isinf(x[k])) {
            log_error("%s:%d: %s is '%s', allowed is a number of at least 0; the file was damaged: "
                      "evaluate into another directory",
                      f->columns.reader.path, f->columns.reader.line, agent_columns[k],
                      f->columns.cells[f->at[k]]);
            return ERR_FORMAT;
        }
    }
    if (!isfinite(x[CAN_ACT])) {
        return ERR_OK;
    }
    a->n++;
    for (int k = 0; k < AGENT_SHARES; k++) {
        const double part = x[agent_shares[k].part], whole = x[agent_shares[k].whole];
        if (isfinite(part) && isfinite(whole)) {
            a->shares[k].part += part;
            a->shares[k].whole += whole;
        }
    }
    return ERR_OK;
}

static enum err add_agents(struct agents *f)
{
    for (int k = 0; k < AGENT_KEYS; k++) {
        TRY(columns_need(&f->keys[k], &f->columns, agent_keys[k]));
    }
    for (int k = 0; k < AGENT_COLUMNS; k++) {
        f->at[k] = columns_find(&f->columns, agent_columns[k]);
        TRY(k != UNMASKED ? columns_need(&f->at[k], &f->columns, agent_columns[k]) : ERR_OK);
    }
    for (bool more = true;;) {
        TRY(columns_next(&f->columns, &more));
        if (!more) {
            return ERR_OK;
        }
        TRY(add_agent(f));
    }
}

/* Only an evaluation whose rows count has agents that count, and nothing of a file that is damaged
 * stays. */
enum err results_read_agents(struct results *r, const struct result_dir *d, const char *path)
{
    const char *beside = r->n_cells > 0 ? r->cells[r->n_cells - 1].path : "";
    const size_t n = strcmp(d->shown, ".") == 0 ? 0 : strlen(d->shown);
    if (strncmp(beside, d->shown, n) != 0 || strcmp(beside + n, n > 0 ? "/eval.csv" : "eval.csv")) {
        log_error("%s: the rows of eval.csv beside it are left out, so these are as well", path);
        return ERR_MISMATCH;
    }
    struct agents f = {.r = r,
                       .scenario = d->scenario,
                       .in_twin = !r->cells[r->n_cells - 1].bounded,
                       .first = r->n_agents};
    TRY(columns_open(&f.columns, r->arena, path));
    const enum err e = add_agents(&f);
    columns_close(&f.columns);
    r->n_agents = e == ERR_OK ? r->n_agents : f.first;
    return e;
}

/* ---- accuracy.csv ---- */

/* Horizons that a table shows; the file has every one. */
static bool shown_horizon(double k)
{
    return k == 1.0 || k == 5.0 || k == 20.0;
}

static enum err add_accuracies(struct results *r, struct columns *c, const char *shown)
{
    int twin, metric, window, k, skill;
    TRY(columns_need(&twin, c, "twin"));
    TRY(columns_need(&metric, c, "metric"));
    TRY(columns_need(&window, c, "window"));
    TRY(columns_need(&k, c, "k"));
    TRY(columns_need(&skill, c, "skill"));
    for (bool more = true;;) {
        double horizon, value;
        TRY(columns_next(c, &more));
        if (!more) {
            return ERR_OK;
        }
        TRY(columns_number(&horizon, c, k));
        TRY(columns_number(&value, c, skill));
        if (strcmp(c->cells[window], "all") != 0 || !shown_horizon(horizon)) {
            continue;
        }
        struct result_accuracy *list = RESULTS_GROW(r, accuracies, struct result_accuracy);
        const struct result_accuracy row = {.path = shown,
                                            .twin = arena_strdup(r->arena, c->cells[twin]),
                                            .metric = arena_strdup(r->arena, c->cells[metric]),
                                            .horizon = (int)horizon,
                                            .skill = value};
        TRY(arena_error(r->arena));
        r->accuracies = list;
        r->accuracies[r->n_accuracies++] = row;
    }
}

enum err results_read_accuracy(struct results *r, const struct result_dir *d, const char *path)
{
    struct columns c;
    const int before = r->n_accuracies;
    TRY(columns_open(&c, r->arena, path));
    const enum err e = add_accuracies(r, &c, d->shown);
    columns_close(&c);
    r->n_accuracies = e == ERR_OK ? r->n_accuracies : before;
    return e;
}
