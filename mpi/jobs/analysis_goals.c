/* States become rows of numbers, episodes successes and failures. See analysis_goals.h. */
#include "mpi/jobs/analysis_goals.h"

#include "core/analysis/fit.h"
#include "core/base/csv.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/stats.h"
#include "core/plant/schema.h"
#include "core/report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- data ---- */

/* Columns that policies see. */
static int find_columns(int *out, const struct trajectory_set *set)
{
    int n = 0;
    for (int s = 0; s < set->n_services; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            const int column = trajectory_column(set, s, service_feature_info[f].name);
            if (service_feature_info[f].obs != 0 && column >= 0) {
                out[n++] = column;
            }
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        const int column = trajectory_column(set, -1, global_feature_info[f].name);
        if (global_feature_info[f].obs != 0 && column >= 0) {
            out[n++] = column;
        }
    }
    return n;
}

/* Number of the scenario of episode e: the first episode that has it, counted. */
static void number_scenarios(int *stratum, const struct trajectory_set *set)
{
    int n = 0;
    for (int e = 0; e < set->n_episodes; e++) {
        stratum[e] = -1;
        for (int f = 0; f < e && stratum[e] < 0; f++) {
            stratum[e] =
                strcmp(set->episodes[f].scenario, set->episodes[e].scenario) == 0 ? stratum[f] : -1;
        }
        stratum[e] = stratum[e] < 0 ? n++ : stratum[e];
    }
}

/* x, order (n_episodes): scratch. Episodes without requests are failures. */
static void judge(bool *success, const int *stratum, const struct goal_order *o, double *x,
                  uint32_t *order)
{
    const struct trajectory_set *set = o->roles->set;
    for (int e = 0; e < set->n_episodes; e++) {
        uint32_t n = 0;
        for (int f = 0; f < set->n_episodes; f++) {
            if (stratum[f] == stratum[e] && !isnan(set->episodes[f].slo_attainment)) {
                x[n++] = set->episodes[f].slo_attainment;
            }
        }
        const double least = o->success >= 0.0 ? o->success
                             : n > 0           ? stat_quantile(x, n, 0.5, order)
                                               : NAN;
        success[e] = set->episodes[e].slo_attainment >= least;
    }
}

struct rows {
    struct goal_data data;
    int *column; /* (n_columns) in the set */
    int *begin, *stratum;
    bool *success;
    double *state;
    uint8_t *acts;
    const char **names;
};

static enum err rows_init(struct rows *r, struct arena *arena, const struct goal_order *o)
{
    const struct trajectory_set *set = o->roles->set;
    int n = 0;
    *r = (struct rows){.column = ARENA_NEW(arena, set->n_columns, int),
                       .begin = ARENA_NEW(arena, set->n_episodes + 1, int),
                       .stratum = ARENA_NEW(arena, set->n_episodes, int),
                       .success = ARENA_NEW(arena, set->n_episodes, bool),
                       .names = ARENA_NEW(arena, set->n_columns, const char *)};
    double *x = ARENA_NEW(arena, set->n_episodes, double);
    uint32_t *order = ARENA_NEW(arena, set->n_episodes, uint32_t);
    TRY(arena_error(arena));
    const int n_columns = find_columns(r->column, set);
    for (int e = 0; e < set->n_episodes; e++) {
        r->begin[e] = n;
        n += set->episodes[e].n_steps + 1;
    }
    r->begin[set->n_episodes] = n;
    r->state = ARENA_NEW(arena, (size_t)n * (size_t)n_columns, double);
    r->acts = ARENA_NEW(arena, (size_t)n * (size_t)set->n_agents, uint8_t);
    TRY(arena_error(arena));
    number_scenarios(r->stratum, set);
    judge(r->success, r->stratum, o, x, order);
    r->data = (struct goal_data){.n_episodes = set->n_episodes,
                                 .n_columns = n_columns,
                                 .n_agents = set->n_agents,
                                 .begin = r->begin,
                                 .success = r->success,
                                 .stratum = r->stratum,
                                 .state = r->state,
                                 .acts = r->acts,
                                 .names = r->names};
    return ERR_OK;
}

static bool is_change(const int32_t *change, int n_services)
{
    bool any = false;
    for (int s = 0; s < n_services; s++) {
        any = any || change[s] != 0;
    }
    return any;
}

static void fill_rows(struct rows *r, const struct trajectory_set *set)
{
    const int n_columns = r->data.n_columns, n = r->begin[set->n_episodes];
    for (int j = 0; j < n_columns; j++) {
        r->names[j] = set->columns[r->column[j]];
    }
    for (int e = 0; e < set->n_episodes; e++) {
        const int n_steps = set->episodes[e].n_steps;
        for (int t = 0; t <= n_steps; t++) {
            double *row = r->state + (ptrdiff_t)(r->begin[e] + t) * n_columns;
            for (int j = 0; j < n_columns; j++) {
                row[j] = (double)trajectory_state(set, e, t)[r->column[j]];
            }
            for (int a = 0; a < set->n_agents && t < n_steps; a++) {
                r->acts[(ptrdiff_t)a * n + r->begin[e] + t] =
                    is_change(trajectory_change(set, e, a, t), set->n_services);
            }
        }
    }
}

/* ---- files ---- */

static enum err put_goals(struct buf *out, const struct goals *g, const struct rows *r,
                          const struct goal_order *o, enum table_style style, struct arena *arena)
{
    static const char *const head[] = {
        "region", "goal",   "region in words",    "agents with this mission",
        "states", "visits", "visits of failures", "q"};
    const struct trajectory_set *set = o->roles->set;
    struct table t;
    table_init(&t, arena, head, 8, 4);
    for (int k = 0; k < g->k; k++) {
        const struct goal *goal = &g->goal[k];
        const char *words = goal_words(arena, goal, &r->data), *agents = "";
        for (int a = 0; a < set->n_agents; a++) {
            if (goal->mission_q[a] <= o->cfg.level) {
                agents = arena_printf(arena, "%s%s%s", agents, agents[0] != '\0' ? ", " : "",
                                      set->agents[a]);
                TRY(arena_error(arena));
            }
        }
        TRY(arena_error(arena));
        table_cell(&t, "%d", k);
        table_text(&t, goal->found ? "yes" : "no");
        table_text(&t, words);
        table_text(&t, agents[0] != '\0' ? agents : "-");
        table_cell(&t, "%d", goal->size);
        table_cell(&t, "%.3f", goal->visits);
        table_cell(&t, "%.3f", goal->failure);
        table_cell(&t, "%.4f", goal->q);
    }
    TRY(buf_printf(out,
                   "\nGoals of %s: regions of the state that successful episodes visit more "
                   "(share of states)\n\n",
                   set->controller));
    return table_print(out, &t, style);
}

static enum err write_goals(const struct goals *g, const struct rows *r, const struct goal_order *o,
                            const char *name, enum table_style style, struct arena *arena)
{
    const char *path = file_join(arena, o->dir, name);
    struct buf b;
    TRY(arena_error(arena));
    buf_init(&b);
    enum err e = put_goals(&b, g, r, o, style, arena);
    if (e == ERR_OK && style == TABLE_TEXT) {
        fwrite(b.data, 1, b.len, stdout);
    }
    if (e == ERR_OK) {
        e = file_write(path, b.data, b.len);
    }
    buf_release(&b);
    return e;
}

static enum err csv_goals(const struct goals *g, const struct rows *r, const struct goal_order *o,
                          struct arena *arena)
{
    static const char *const columns[] = {
        "region", "goal",  "words",   "states",   "visits", "visits_failure", "p",
        "q",      "agent", "entries", "precedes", "acts",   "mission_p",      "mission_q"};
    const char *path = file_join(arena, o->dir, "goals.csv");
    struct csv csv;
    TRY(arena_error(arena));
    TRY(csv_create(&csv, arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    for (int i = 0; e == ERR_OK && i < g->k * r->data.n_agents; i++) {
        const struct goal *goal = &g->goal[i / r->data.n_agents];
        const int a = i % r->data.n_agents;
        const char *words = goal_words(arena, goal, &r->data);
        csv_int(&csv, i / r->data.n_agents);
        csv_int(&csv, goal->found);
        csv_text(&csv, words != NULL ? words : "");
        csv_int(&csv, goal->size);
        csv_num(&csv, goal->visits);
        csv_num(&csv, goal->failure);
        csv_num(&csv, goal->p);
        csv_num(&csv, goal->q);
        csv_text(&csv, o->roles->set->agents[a]);
        csv_int(&csv, goal->n_entries);
        csv_num(&csv, goal->precedes[a]);
        csv_num(&csv, goal->acts[a]);
        csv_num(&csv, goal->mission_p[a]);
        csv_num(&csv, goal->mission_q[a]);
        e = words != NULL ? csv_end_row(&csv) : ERR_MEMORY;
    }
    csv_close(&csv);
    return e;
}

/* ---- fit ---- */

/* Trajectories whose distances are known, evenly thinned out. */
struct known {
    const struct roles *roles;
    int *trajectory, *at; /* (n) number, and index in the part that was clustered */
};

static double known_distance(const void *ctx, int i, int j)
{
    const struct known *k = ctx;
    return pair_get(k->roles->distance, k->roles->sample.n, k->at[i], k->at[j]);
}

static enum err structural_fit(struct fit *out, const struct goal_order *o, struct arena *arena)
{
    const struct roles *r = o->roles;
    const int n_all = trajectory_count(r->set), each = (n_all + FIT_POINTS - 1) / FIT_POINTS;
    const struct fit_cfg cfg = {.seed = o->cfg.seed, .stream = 1, .permutations = 199};
    struct known k = {r, ARENA_NEW(arena, n_all, int), ARENA_NEW(arena, n_all, int)};
    int *index = ARENA_NEW(arena, r->sequences->n_distinct, int),
        *label = ARENA_NEW(arena, n_all, int);
    int n = 0;
    TRY(arena_error(arena));
    for (int i = 0; i < r->sequences->n_distinct; i++) {
        index[i] = -1;
    }
    for (int i = 0; i < r->sample.n; i++) {
        index[r->sample.distinct[i]] = i;
    }
    for (int i = 0; i < n_all; i += each) {
        if (index[r->sequences->distinct[i]] >= 0) {
            k.at[n] = index[r->sequences->distinct[i]];
            label[n++] = r->label[i];
        }
    }
    const struct fit_objects objects = {n, known_distance, &k};
    return fit_of(out, &objects, label, r->k, &cfg, arena);
}

/* Of the states of successful episodes, standardised. */
static enum err functional_fit(struct fit *out, const struct goals *g, const struct rows *r,
                               const struct goal_order *o, struct arena *arena)
{
    const int n_columns = r->data.n_columns, n_all = r->begin[r->data.n_episodes];
    const struct fit_cfg cfg = {.seed = o->cfg.seed, .stream = 2, .permutations = 199};
    double *points = ARENA_NEW(arena, (size_t)n_all * (size_t)n_columns, double);
    double *mean = ARENA_NEW(arena, n_columns, double), *sd = ARENA_NEW(arena, n_columns, double);
    int *label = ARENA_NEW(arena, n_all, int), n = 0;
    TRY(arena_error(arena));
    for (int e = 0; e < r->data.n_episodes; e++) {
        for (int i = r->begin[e]; r->success[e] && i < r->begin[e + 1]; i++) {
            memcpy(points + (ptrdiff_t)n * n_columns, r->state + (ptrdiff_t)i * n_columns,
                   (size_t)n_columns * sizeof *points);
            label[n++] = g->label[i];
        }
    }
    kmeans_standardise(points, mean, sd, n, n_columns);
    return fit_of_points(out, points, label, n, n_columns, g->k, &cfg, arena);
}

static enum err write_fit(const struct fit *sof, const struct fit *fof, const struct goal_order *o,
                          struct arena *arena)
{
    static const char *const columns[] = {"measure", "fit", "p", "within", "all", "authors"};
    const char *path = file_join(arena, o->dir, "fit.csv");
    const struct fit all = {.within = NAN,
                            .all = NAN,
                            .fit = fit_organisational(sof->fit, fof->fit),
                            .p = NAN,
                            .authors = fit_organisational(sof->authors, fof->authors)};
    const struct fit *const rows[] = {sof, fof, &all};
    static const char *const names[] = {"SOF", "FOF", "OF"};
    struct csv csv;
    TRY(arena_error(arena));
    TRY(csv_create(&csv, arena, path, columns, (int)(sizeof columns / sizeof *columns)));
    enum err e = ERR_OK;
    printf("\nOrganisational fit of %s (1: equal inside clusters, 0: no better than at random)\n\n",
           o->roles->set->controller);
    for (int k = 0; e == ERR_OK && k < 3; k++) {
        const double values[] = {rows[k]->fit, rows[k]->p, rows[k]->within, rows[k]->all,
                                 rows[k]->authors};
        csv_text(&csv, names[k]);
        for (int i = 0; i < 5; i++) {
            csv_num(&csv, values[i]);
        }
        e = csv_end_row(&csv);
        printf("%-3s  %.3f   with the authors' constant %.3f\n", names[k], rows[k]->fit,
               rows[k]->authors);
    }
    csv_close(&csv);
    return e;
}

/* ---- all ---- */

static bool has_both(const struct rows *r)
{
    int n = 0;
    for (int e = 0; e < r->data.n_episodes; e++) {
        n += r->success[e];
    }
    return n > 0 && n < r->data.n_episodes;
}

enum err analysis_goals_write(double *sof, double *fof, const struct goal_order *order,
                              struct arena *arena)
{
    struct fit structural, functional = {NAN, NAN, NAN, NAN, NAN};
    struct arena own; /* of the goals: goals_find() gives its scratch back */
    struct rows r;
    struct goals g;
    arena_init(&own);
    enum err e = rows_init(&r, &own, order);
    if (e == ERR_OK && !has_both(&r)) {
        log_warn("%s: %s, so no goals are looked for; say what success is with --success PERCENT",
                 order->roles->set->controller,
                 r.success[0] ? "all episodes are successful" : "no episode is successful");
    } else if (e == ERR_OK) {
        fill_rows(&r, order->roles->set);
        e = goals_find(&g, &own, &r.data, &order->cfg, arena);
        e = e == ERR_OK ? csv_goals(&g, &r, order, &own) : e;
        e = e == ERR_OK ? write_goals(&g, &r, order, "goals.md", TABLE_MARKDOWN, &own) : e;
        e = e == ERR_OK ? write_goals(&g, &r, order, "goals.txt", TABLE_TEXT, &own) : e;
        e = e == ERR_OK ? functional_fit(&functional, &g, &r, order, &own) : e;
    }
    e = e == ERR_OK ? structural_fit(&structural, order, &own) : e;
    e = e == ERR_OK ? write_fit(&structural, &functional, order, &own) : e;
    if (e == ERR_OK) {
        *sof = structural.fit;
        *fof = functional.fit;
    }
    arena_release(&own);
    return e;
}
