/* From cells to panels and views. See panels.h.
 *
 * Cells are sorted by arm, training seed and scenario, so that those of one place stand together;
 * at each place the first of the walk counts. Arms and scenarios keep the order in which the walk
 * met them. */
#include "core/report/panels.h"

#include "core/base/plural.h"
#include "core/controllers/kinds.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cell and where it belongs. */
struct place {
    const struct result_cell *cell;
    int panel, arm, scenario;
    int order; /* of the walk */
    bool out;  /* left out */
};

/* Names in the order in which they were met. */
struct names {
    const char **items;
    int n;
};

struct building {
    struct results *r;
    struct arena *arena;
    struct place *places; /* (n) */
    int n;
    struct panel *panels;
    int n_panels;
    struct names *arms, *scenarios; /* (n_panels) */
};

/* There are tens of names: a linear search is enough. Room for each is made by the caller. */
static int number_of(struct names *names, const char *name)
{
    for (int i = 0; i < names->n; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return i;
        }
    }
    names->items[names->n] = name;
    return names->n++;
}

/* ---- panels ---- */

static bool in_panel(const struct panel *p, const struct result_cell *c)
{
    return strcmp(p->split, c->split) == 0 && p->seed == c->seed && p->first == c->first &&
           p->n_episodes == c->n_episodes && p->bounded == c->bounded;
}

static int panel_of(struct building *b, const struct result_cell *c)
{
    for (int i = 0; i < b->n_panels; i++) {
        if (in_panel(&b->panels[i], c)) {
            return i;
        }
    }
    b->panels[b->n_panels] = (struct panel){.split = c->split,
                                            .seed = c->seed,
                                            .first = c->first,
                                            .n_episodes = c->n_episodes,
                                            .bounded = c->bounded};
    return b->n_panels++;
}

/* ---- arms that share a name ---- */

/* "a/b/hard-3/eval.csv" lies in the group "a/b/hard". */
static const char *group_of(struct arena *arena, const char *path)
{
    char *group = arena_strdup(arena, path);
    if (group == NULL) {
        return "";
    }
    char *slash = strrchr(group, '/');
    if (slash == NULL) {
        return ".";
    }
    *slash = '\0';
    size_t n = strlen(group);
    while (n > 1 && strchr("0123456789", group[n - 1]) != NULL) {
        n--;
    }
    while (n > 1 && strchr("-_/", group[n - 1]) != NULL) {
        n--;
    }
    group[n] = '\0';
    return group;
}

static int by_name_seed(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    const int name = strcmp(p->cell->name, q->cell->name);
    const int scenario = strcmp(p->cell->scenario, q->cell->scenario);
    return p->panel != q->panel ? p->panel - q->panel
           : name != 0          ? name
           : scenario != 0      ? scenario
           : p->cell->train_seed != q->cell->train_seed
               ? (p->cell->train_seed > q->cell->train_seed) ? 1 : -1
               : p->order - q->order;
}

static int by_order(const void *a, const void *b)
{
    return ((const struct place *)a)->order - ((const struct place *)b)->order;
}

/* Two policies with the name and the seed of the same place come from two trainings, so their name
 * says too little: "policy" of the directories hard-1, hard-2, none-1 ... All cells of that name in
 * that panel get the group of their directory behind it. */
static enum err tell_apart(struct building *b)
{
    qsort(b->places, (size_t)b->n, sizeof *b->places, by_name_seed);
    for (int i = 0; i + 1 < b->n;) {
        int end = i + 1;
        bool shared = false;
        for (; end < b->n && b->places[end].panel == b->places[i].panel &&
               strcmp(b->places[end].cell->name, b->places[i].cell->name) == 0;
             end++) {
            const struct result_cell *c = b->places[end].cell, *d = b->places[end - 1].cell;
            shared = shared ||
                     (c->learned && d->learned && c->train_seed == d->train_seed &&
                      strcmp(c->scenario, d->scenario) == 0 && strcmp(c->policy, d->policy) != 0);
        }
        for (int k = i; shared && k < end; k++) {
            struct result_cell *c = ARENA_NEW(b->arena, 1, struct result_cell);
            TRY(arena_error(b->arena));
            *c = *b->places[k].cell;
            c->name = arena_printf(b->arena, "%s (%s)", c->name, group_of(b->arena, c->path));
            b->places[k].cell = c;
        }
        TRY(arena_error(b->arena));
        i = end;
    }
    qsort(b->places, (size_t)b->n, sizeof *b->places, by_order);
    return ERR_OK;
}

/* ---- what contradicts ---- */

/* Index of the first episode in which both have an upper bound and it is not the same; -1. The
 * bound is a number of the episode and its environment, whoever plays it. */
static int other_environment(const struct result_cell *a, const struct result_cell *b)
{
    for (int e = 0; e < a->n_episodes; e++) {
        const double x = a->episodes[e].upper_bound, y = b->episodes[e].upper_bound;
        if (isfinite(x) && isfinite(y) && x != y) {
            return e;
        }
    }
    return -1;
}

/* The first metric in which two cells of the same place differ; -1. */
static int first_difference(const struct result_cell *a, const struct result_cell *b)
{
    const double *x = (const double *)a->episodes, *y = (const double *)b->episodes;
    for (int i = 0; i < a->n_episodes * METRIC_COUNT; i++) {
        if (x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]))) {
            return i % METRIC_COUNT;
        }
    }
    return -1;
}

/* The first cell of a scenario says which environment it is. Of each file that is of another one
 * there is one sentence. */
static void check_environments(struct building *b)
{
    const char *told = NULL;
    for (int i = 0; i < b->n; i++) {
        struct place *p = &b->places[i];
        const struct place *first = b->places;
        while (first->panel != p->panel || first->scenario != p->scenario || first->out) {
            first++;
        }
        const int e = other_environment(first->cell, p->cell);
        p->out = p->out || e >= 0;
        if (e >= 0 && told != p->cell->path) {
            told = p->cell->path;
            results_leave_out(b->r, p->cell->path,
                              "in scenario '%s', episode %u, the upper bound is %.6g here and %.6g "
                              "in %s: it was evaluated in another environment; report it by itself",
                              p->cell->scenario, p->cell->first + (uint32_t)e,
                              p->cell->episodes[e].upper_bound,
                              first->cell->episodes[e].upper_bound, first->cell->path);
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    return p->panel != q->panel                        ? p->panel - q->panel
           : p->arm != q->arm                          ? p->arm - q->arm
           : p->cell->train_seed < q->cell->train_seed ? -1
           : p->cell->train_seed > q->cell->train_seed ? 1
           : p->scenario != q->scenario                ? p->scenario - q->scenario
                                                       : p->order - q->order;
}

static bool same_place(const struct place *p, const struct place *q)
{
    return p->panel == q->panel && p->arm == q->arm && p->scenario == q->scenario &&
           p->cell->train_seed == q->cell->train_seed;
}

/* Places are sorted. Equal cells of one place are one; of two that differ the second is left out.
 * `first` is the one that stays. */
static void check_doubles(struct building *b)
{
    int first = 0;
    for (int i = 1; i < b->n; i++) {
        struct place *p = &b->places[i];
        if (!same_place(&b->places[first], p) || b->places[first].out) {
            first = i;
            continue;
        }
        const struct result_cell *c = p->cell, *d = b->places[first].cell;
        const int m = first_difference(d, c);
        if (!p->out && (m >= 0 || strcmp(c->policy, d->policy) != 0)) {
            results_leave_out(b->r, c->path,
                              "arm '%s' in scenario '%s' is in %s as well, with %s; remove one of "
                              "the two, or report them apart",
                              c->name, c->scenario, d->path,
                              m >= 0 ? "other results" : "other weights");
        }
        p->out = true;
    }
}

/* ---- arms ---- */

/* Cells of one arm: places [from, to), sorted. Training seeds follow each other. */
static enum err make_arm(struct panel_arm *arm, const struct building *b, int from, int to,
                         int n_scenarios)
{
    uint64_t *seeds = ARENA_NEW(b->arena, to - from, uint64_t);
    const struct result_cell **cells =
        ARENA_NEW(b->arena, (size_t)(to - from) * (size_t)n_scenarios, const struct result_cell *);
    TRY(arena_error(b->arena));
    int n = 0;
    for (int i = from; i < to; i++) {
        const struct place *p = &b->places[i];
        if (p->out) {
            continue;
        }
        if (n == 0 || seeds[n - 1] != p->cell->train_seed) {
            seeds[n++] = p->cell->train_seed;
        }
        cells[(n - 1) * n_scenarios + p->scenario] = p->cell;
        arm->learned = p->cell->learned;
    }
    arm->n_seeds = n;
    arm->seeds = seeds;
    arm->cells = cells;
    return ERR_OK;
}

static enum err make_arms(struct building *b)
{
    for (int k = 0; k < b->n_panels; k++) {
        struct panel *p = &b->panels[k];
        p->scenarios = b->scenarios[k].items;
        p->n_scenarios = b->scenarios[k].n;
        p->arms = ARENA_NEW(b->arena, b->arms[k].n, struct panel_arm);
        TRY(arena_error(b->arena));
    }
    for (int i = 0; i < b->n;) {
        const struct place *p = &b->places[i];
        struct panel *panel = &b->panels[p->panel];
        int end = i;
        while (end < b->n && b->places[end].panel == p->panel && b->places[end].arm == p->arm) {
            end++;
        }
        struct panel_arm *arm = &panel->arms[panel->n_arms];
        *arm = (struct panel_arm){.name = p->cell->name};
        TRY(make_arm(arm, b, i, end, panel->n_scenarios));
        panel->n_arms += arm->n_seeds > 0 ? 1 : 0;
        i = end;
    }
    return ERR_OK;
}

/* ---- unfinished ones ---- */

/* Has another panel of the same episodes, but more of them, this arm in this scenario? Its file,
 * or NULL. */
static const struct result_cell *longer_one(const struct building *b, const struct place *p)
{
    const struct result_cell *c = p->cell;
    for (int i = 0; i < b->n; i++) {
        const struct result_cell *d = b->places[i].cell;
        if (d->n_episodes > c->n_episodes && d->seed == c->seed && d->first <= c->first &&
            d->bounded == c->bounded && strcmp(d->split, c->split) == 0 &&
            strcmp(d->name, c->name) == 0 && strcmp(d->scenario, c->scenario) == 0) {
            return d;
        }
    }
    return NULL;
}

/* Panels with few cells beside one with many are those of evaluations that were interrupted. */
static void check_unfinished(struct building *b)
{
    for (int i = 0; b->n_panels > 1 && i < b->n; i++) {
        struct place *p = &b->places[i];
        const struct result_cell *more = p->cell->learned ? longer_one(b, p) : NULL;
        if (more != NULL) {
            p->out = true;
            results_leave_out(b->r, p->cell->path,
                              "arm '%s', training seed %" PRIu64 ", scenario '%s' has %d episode%s "
                              "of the %d of the other seeds; the same karma eval goes on with it",
                              p->cell->name, p->cell->train_seed, p->cell->scenario,
                              p->cell->n_episodes, plural_s(p->cell->n_episodes), more->n_episodes);
        }
    }
}

static enum err number_all(struct building *b)
{
    const int n = b->n;
    b->arms = ARENA_NEW(b->arena, b->n_panels, struct names);
    b->scenarios = ARENA_NEW(b->arena, b->n_panels, struct names);
    TRY(arena_error(b->arena));
    int *n_cells = ARENA_NEW(b->arena, b->n_panels, int);
    TRY(arena_error(b->arena));
    for (int i = 0; i < n; i++) {
        n_cells[b->places[i].panel]++;
    }
    for (int k = 0; k < b->n_panels; k++) {
        b->arms[k].items = ARENA_NEW(b->arena, n_cells[k], const char *);
        b->scenarios[k].items = ARENA_NEW(b->arena, n_cells[k], const char *);
    }
    TRY(arena_error(b->arena));
    for (int i = 0; i < n; i++) {
        struct place *p = &b->places[i];
        p->arm = number_of(&b->arms[p->panel], p->cell->name);
        p->scenario = number_of(&b->scenarios[p->panel], p->cell->scenario);
    }
    return ERR_OK;
}

/* Panels without an arm, all of whose cells were left out, are dropped. */
static int drop_empty(struct panel *panels, int n)
{
    int n_kept = 0;
    for (int i = 0; i < n; i++) {
        if (panels[i].n_arms > 0) {
            panels[n_kept++] = panels[i];
        }
    }
    return n_kept;
}

enum err panels_make(struct panel **panels, int *n, struct results *r, struct arena *arena)
{
    struct building b = {.r = r, .arena = arena, .n = r->n_cells};
    b.places = ARENA_NEW(arena, r->n_cells, struct place);
    b.panels = ARENA_NEW(arena, r->n_cells, struct panel);
    TRY(arena_error(arena));
    for (int i = 0; i < b.n; i++) {
        b.places[i] = (struct place){.cell = &r->cells[i], .order = i};
        b.places[i].panel = panel_of(&b, &r->cells[i]);
    }
    TRY(tell_apart(&b));
    TRY(number_all(&b));
    check_environments(&b);
    check_unfinished(&b);
    if (b.n > 0) {
        qsort(b.places, (size_t)b.n, sizeof *b.places, by_place);
    }
    check_doubles(&b);
    TRY(make_arms(&b));
    *panels = b.panels;
    *n = drop_empty(b.panels, b.n_panels);
    return arena_error(arena);
}

/* ---- views ---- */

/* Whether a seed of an arm counts in a view: it has every scenario of the view. */
static bool counts(const struct panel *p, const struct panel_arm *arm, int seed, int scenario)
{
    const struct result_cell *const *cells = arm->cells + (ptrdiff_t)seed * p->n_scenarios;
    for (int s = 0; s < p->n_scenarios; s++) {
        if ((scenario == OUTCOMES_POOLED || scenario == s) && cells[s] == NULL) {
            return false;
        }
    }
    return true;
}

static int count_seeds(const struct panel *p, const struct panel_arm *arm, int scenario)
{
    int n = 0;
    for (int i = 0; i < arm->n_seeds; i++) {
        n += counts(p, arm, i, scenario) ? 1 : 0;
    }
    return n;
}

/* A name of a rule begins with that of its method, if the configuration gave it no other one. Only
 * frontiers and the choice of the reference depend on it. */
static const struct cfg_kind *kind_of(const struct panel_arm *arm)
{
    if (arm->learned) {
        return &controller_policy.cfg;
    }
    for (int i = 0; controller_kinds[i] != NULL; i++) {
        const size_t n = strlen(controller_kinds[i]->name);
        if (strncmp(arm->name, controller_kinds[i]->name, n) == 0 &&
            strchr(" -_", arm->name[n]) != NULL && controller_kinds[i] != &controller_policy.cfg) {
            return controller_kinds[i]; /* strchr() finds the end of the name, too */
        }
    }
    return &controller_explore.cfg; /* a rule of no frontier */
}

static int find_reference(const struct eval_cfg *cfg, const char *name)
{
    for (int i = 0; i < cfg->n_controllers; i++) {
        if (name != NULL ? strcmp(cfg->controllers[i].name, name) == 0
                         : cfg->controllers[i].method.kind == &controller_khpa.cfg) {
            return i;
        }
    }
    for (int i = 0; i < cfg->n_controllers; i++) {
        if (cfg->controllers[i].method.kind != &controller_policy.cfg) {
            return i;
        }
    }
    return 0;
}

/* Rows in the order of outcomes.h. */
static void fill_rows(struct eval_row *rows, const struct panel_view *v)
{
    const struct panel *p = v->panel;
    for (int c = 0; c < v->cfg.n_controllers; c++) {
        const struct panel_arm *arm = &p->arms[v->arms[c]];
        int train = 0;
        for (int i = 0; i < arm->n_seeds; i++) {
            if (!counts(p, arm, i, v->scenario)) {
                continue;
            }
            for (int s = 0; s < p->n_scenarios; s++) {
                const struct result_cell *cell = arm->cells[i * p->n_scenarios + s];
                if (v->scenario != OUTCOMES_POOLED && v->scenario != s) {
                    continue;
                }
                for (int e = 0; e < p->n_episodes; e++) {
                    *rows++ = (struct eval_row){.controller = c,
                                                .train = train,
                                                .scenario = v->scenario == OUTCOMES_POOLED ? s : 0,
                                                .episode = p->first + (uint32_t)e,
                                                .m = cell->episodes[e]};
                }
            }
            train++;
        }
    }
}

/* The arms of the view as controllers of a configuration; returns the number of their seeds. */
static enum err choose_arms(struct panel_view *v, int *n_seeds, const struct view_cfg *cfg,
                            struct arena *arena)
{
    const struct panel *p = v->panel;
    struct controller_cfg *controllers = ARENA_NEW(arena, p->n_arms, struct controller_cfg);
    int *arms = ARENA_NEW(arena, p->n_arms, int);
    int n = 0;
    TRY(arena_error(arena));
    *n_seeds = 0;
    for (int i = 0; i < p->n_arms; i++) {
        const int seeds = count_seeds(p, &p->arms[i], v->scenario);
        if (seeds > 0) {
            controllers[n] = (struct controller_cfg){
                .name = p->arms[i].name, .show = true, .method = {.kind = kind_of(&p->arms[i])}};
            arms[n++] = i;
            *n_seeds += seeds;
        }
    }
    v->arms = arms;
    v->cfg = (struct eval_cfg){.controllers = controllers,
                               .n_controllers = n,
                               .episodes = p->n_episodes,
                               .first = (int)p->first,
                               .seed = p->seed,
                               .resamples = cfg->resamples,
                               .confidence = cfg->confidence,
                               .interval = EVAL_PERCENTILE_CORRECTED,
                               .separation = ""};
    v->reference = n > 0 ? find_reference(&v->cfg, cfg->reference) : 0;
    v->cfg.reference = n > 0 ? controllers[v->reference].name : "";
    return ERR_OK;
}

enum err panel_view(struct panel_view *v, int *n_arms, const struct panel *p, int scenario,
                    const struct view_cfg *cfg, struct arena *arena)
{
    const bool pooled = scenario == OUTCOMES_POOLED;
    const int n_scenarios = pooled ? p->n_scenarios : 1;
    int n_seeds;
    *v = (struct panel_view){.panel = p, .scenario = scenario};
    TRY(choose_arms(v, &n_seeds, cfg, arena));
    *n_arms = v->cfg.n_controllers;
    if (*n_arms == 0) {
        return ERR_OK;
    }
    const size_t n_rows = (size_t)n_seeds * (size_t)n_scenarios * (size_t)p->n_episodes;
    struct scenario_cfg *scenarios = ARENA_NEW(arena, n_scenarios, struct scenario_cfg);
    struct eval_row *rows = ARENA_NEW(arena, n_rows, struct eval_row);
    TRY(arena_error(arena));
    for (int s = 0; s < n_scenarios; s++) {
        scenarios[s].name = p->scenarios[pooled ? s : scenario];
    }
    fill_rows(rows, v);
    return summary_begin(&v->summary, arena, &v->cfg, scenarios, n_scenarios, rows, (int)n_rows);
}

int panel_view_seeds(const struct panel_view *v, int i)
{
    return v->summary.outcomes.n_train[i];
}
