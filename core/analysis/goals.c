/* Regions first, then which of them success visits, then who leads there. See goals.h. */
#include "core/analysis/goals.h"

#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/base/stats.h"

#include <math.h>
#include <string.h>

struct finding {
    const struct goal_data *d;
    const struct goals_cfg *cfg;
    struct goals *g;
    struct arena *scratch;
    double *visits; /* (n_episodes, k) share of states in each region */
    double *mean, *sd;
};

static int n_states(const struct goal_data *d)
{
    return d->begin[d->n_episodes];
}

/* ---- regions ---- */

static const double *state_of(const struct goal_data *d, int i)
{
    return d->state + (ptrdiff_t)i * d->n_columns;
}

/* Centres come from an even sample; every state belongs to the nearest one. */
static enum err find_regions(struct finding *f, struct arena *arena)
{
    const struct goal_data *d = f->d;
    const int n = n_states(d), step = (n + GOALS_POINTS - 1) / GOALS_POINTS;
    const int n_points = (n + step - 1) / step;
    const struct kmeans_cfg cfg = {
        .seed = f->cfg->seed, .stream = f->cfg->stream, .restarts = 10, .iterations = 100};
    double *points = ARENA_NEW(f->scratch, (size_t)n_points * (size_t)d->n_columns, double);
    double *point = ARENA_NEW(f->scratch, d->n_columns, double);
    struct kmeans m;
    f->mean = ARENA_NEW(f->scratch, d->n_columns, double);
    f->sd = ARENA_NEW(f->scratch, d->n_columns, double);
    f->g->label = ARENA_NEW(arena, n, int);
    TRY(arena_error(f->scratch));
    TRY(arena_error(arena));
    for (int i = 0; i < n_points; i++) {
        memcpy(points + (ptrdiff_t)i * d->n_columns, state_of(d, i * step),
               (size_t)d->n_columns * sizeof *points);
    }
    kmeans_standardise(points, f->mean, f->sd, n_points, d->n_columns);
    TRY(kmeans_choose(&m, NULL, arena, points, n_points, d->n_columns, 2, GOALS_K_MAX, &cfg,
                      f->scratch));
    f->g->k = m.k;
    f->g->silhouette = m.silhouette;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < d->n_columns; j++) {
            point[j] = f->sd[j] > 0.0 ? (state_of(d, i)[j] - f->mean[j]) / f->sd[j] : 0.0;
        }
        f->g->label[i] = kmeans_nearest(&m, point);
    }
    return ERR_OK;
}

static enum err regions_init(struct finding *f, struct arena *arena)
{
    const int n_agents = f->d->n_agents;
    f->g->goal = ARENA_NEW(arena, f->g->k, struct goal);
    f->visits = ARENA_NEW(f->scratch, f->d->n_episodes * f->g->k, double);
    TRY(arena_error(arena));
    TRY(arena_error(f->scratch));
    for (int r = 0; r < f->g->k; r++) {
        struct goal *g = &f->g->goal[r];
        g->precedes = ARENA_NEW(arena, n_agents, double);
        g->acts = ARENA_NEW(arena, n_agents, double);
        g->mission_p = ARENA_NEW(arena, n_agents, double);
        g->mission_q = ARENA_NEW(arena, n_agents, double);
    }
    for (int e = 0; e < f->d->n_episodes; e++) {
        const int n = f->d->begin[e + 1] - f->d->begin[e];
        for (int i = f->d->begin[e]; i < f->d->begin[e + 1]; i++) {
            f->visits[e * f->g->k + f->g->label[i]] += 1.0 / n;
            f->g->goal[f->g->label[i]].size++;
        }
    }
    return arena_error(arena);
}

/* ---- goals ---- */

/* Mean visits of region r of successful episodes [1] and of the others [0]. */
static void mean_visits(double out[2], const struct finding *f, const bool *success, int r)
{
    int n[2] = {0};
    out[0] = out[1] = 0.0;
    for (int e = 0; e < f->d->n_episodes; e++) {
        out[success[e]] += f->visits[e * f->g->k + r];
        n[success[e]]++;
    }
    out[0] /= n[0];
    out[1] /= n[1];
}

/* Flags shuffled among the episodes of each stratum (Fisher-Yates). members (n_episodes): scratch.
 */
static void shuffle_success(bool *shuffled, int *members, const struct finding *f, uint32_t k)
{
    const struct rng_key key = rng_key(f->cfg->seed, RNG_ANALYSIS, RNG_DEV);
    const struct goal_data *d = f->d;
    const uint32_t purpose = 1;
    int n_strata = 0;
    for (int e = 0; e < d->n_episodes; e++) {
        n_strata = d->stratum[e] >= n_strata ? d->stratum[e] + 1 : n_strata;
        shuffled[e] = d->success[e];
    }
    for (int s = 0; s < n_strata; s++) {
        int n = 0;
        for (int e = 0; e < d->n_episodes; e++) {
            if (d->stratum[e] == s) {
                members[n++] = e;
            }
        }
        for (int i = n - 1; i > 0; i--) {
            const struct rng_block b =
                rng_philox(key, (uint32_t)members[i], k, f->cfg->stream, purpose);
            const int j = (int)rng_below(b.v[0], (uint32_t)i + 1);
            const bool swapped = shuffled[members[i]];
            shuffled[members[i]] = shuffled[members[j]];
            shuffled[members[j]] = swapped;
        }
    }
}

static enum err test_goals(struct finding *f)
{
    const int k = f->g->k;
    bool *shuffled = ARENA_NEW(f->scratch, f->d->n_episodes, bool);
    int *members = ARENA_NEW(f->scratch, f->d->n_episodes, int);
    double *p = ARENA_NEW(f->scratch, k, double), *q = ARENA_NEW(f->scratch, k, double);
    uint32_t *order = ARENA_NEW(f->scratch, k, uint32_t);
    TRY(arena_error(f->scratch));
    for (int n = 0; n < f->cfg->permutations; n++) {
        shuffle_success(shuffled, members, f, (uint32_t)n);
        for (int r = 0; r < k; r++) {
            double seen[2], drawn[2];
            mean_visits(seen, f, f->d->success, r);
            mean_visits(drawn, f, shuffled, r);
            p[r] += drawn[1] - drawn[0] >= seen[1] - seen[0] - 1e-12;
        }
    }
    for (int r = 0; r < k; r++) {
        double seen[2];
        p[r] = (1.0 + p[r]) / (1.0 + f->cfg->permutations);
        mean_visits(seen, f, f->d->success, r);
        f->g->goal[r].visits = seen[1];
        f->g->goal[r].failure = seen[0];
    }
    stat_benjamini_hochberg(q, p, (uint32_t)k, order);
    for (int r = 0; r < k; r++) {
        f->g->goal[r].p = p[r];
        f->g->goal[r].q = q[r];
        f->g->goal[r].found = q[r] <= f->cfg->level;
    }
    return ERR_OK;
}

/* ---- words ---- */

/* How far the region's mean of a column lies from that of all states, in standard deviations. */
static double offset(const struct finding *f, int r, int column)
{
    double sum = 0.0;
    for (int i = 0; i < n_states(f->d); i++) {
        sum += f->g->label[i] == r ? state_of(f->d, i)[column] : 0.0;
    }
    const double mean = sum / f->g->goal[r].size;
    return f->sd[column] > 0.0 ? (mean - f->mean[column]) / f->sd[column] : 0.0;
}

/* The columns with the largest offsets, each with the bound that nine of ten states keep. */
static enum err describe(struct finding *f, int r)
{
    struct goal *g = &f->g->goal[r];
    const struct goal_data *d = f->d;
    const struct arena_mark mark = arena_mark(f->scratch);
    double *by = ARENA_NEW(f->scratch, d->n_columns, double);
    double *x = ARENA_NEW(f->scratch, g->size, double);
    uint32_t *order = ARENA_NEW(f->scratch, g->size, uint32_t);
    TRY(arena_error(f->scratch));
    for (int j = 0; j < d->n_columns && g->size > 0; j++) {
        by[j] = offset(f, r, j);
    }
    for (int c = 0; c < GOAL_CLAUSES && g->size > 0; c++) {
        int best = 0, n = 0;
        for (int j = 1; j < d->n_columns; j++) {
            best = fabs(by[j]) > fabs(by[best]) ? j : best;
        }
        if (by[best] == 0.0) {
            break;
        }
        for (int i = 0; i < n_states(d); i++) {
            if (f->g->label[i] == r) {
                x[n++] = state_of(d, i)[best];
            }
        }
        const bool below = by[best] < 0.0;
        g->clauses[g->n_clauses++] = (struct goal_clause){
            best, below, stat_quantile(x, (uint32_t)n, below ? 0.9 : 0.1, order)};
        by[best] = 0.0;
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

const char *goal_words(struct arena *arena, const struct goal *g, const struct goal_data *d)
{
    const char *text = "";
    for (int c = 0; c < g->n_clauses && text != NULL; c++) {
        const struct goal_clause *clause = &g->clauses[c];
        text =
            arena_printf(arena, "%s%s%s %s %.3g", text, c > 0 ? ", " : "", d->names[clause->column],
                         clause->below ? "at most" : "at least", clause->bound);
    }
    return text;
}

/* ---- missions ---- */

/* Decisions before entries into region r at which the agent acts, and all of them. Each episode is
 * seen as a circle, turned by `turn` of it (0: as it was), so that the test has the same entries.
 */
struct led {
    int acts, decisions, entries;
};

static void count_led(struct led *out, const struct finding *f, int r, int agent, int e, int turn)
{
    const struct goal_data *d = f->d;
    const int n = d->begin[e + 1] - d->begin[e] - 1; /* decisions */
    const int *label = f->g->label + d->begin[e];
    const uint8_t *acts = d->acts + (ptrdiff_t)agent * n_states(d) + d->begin[e];
    for (int t = 1; t <= n; t++) {
        if (label[t] == r && label[t - 1] != r) {
            out->entries++;
            for (int back = 1; back <= GOAL_STEPS && back <= t; back++) {
                out->acts += acts[(t - back + turn) % n];
                out->decisions++;
            }
        }
    }
}

static struct led led_of(const struct finding *f, int r, int agent, int permutation)
{
    const struct rng_key key = rng_key(f->cfg->seed, RNG_ANALYSIS, RNG_TRAIN);
    const uint32_t purpose = 2;
    struct led out = {0};
    for (int e = 0; e < f->d->n_episodes; e++) {
        const int n = f->d->begin[e + 1] - f->d->begin[e] - 1;
        if (f->d->success[e] && n > 0) {
            const struct rng_block b =
                rng_philox(key, (uint32_t)e, (uint32_t)(permutation + 1), f->cfg->stream, purpose);
            count_led(&out, f, r, agent, e,
                      permutation < 0 ? 0 : (int)rng_below(b.v[0], (uint32_t)n));
        }
    }
    return out;
}

static double share_acting(const struct finding *f, int agent)
{
    int acts = 0, n = 0;
    for (int e = 0; e < f->d->n_episodes; e++) {
        for (int i = f->d->begin[e]; f->d->success[e] && i < f->d->begin[e + 1] - 1; i++) {
            acts += f->d->acts[(ptrdiff_t)agent * n_states(f->d) + i];
            n++;
        }
    }
    return n > 0 ? (double)acts / n : NAN;
}

static void test_mission(struct finding *f, int r, int agent)
{
    struct goal *g = &f->g->goal[r];
    const struct led seen = led_of(f, r, agent, -1);
    int hits = 0;
    g->n_entries = seen.entries;
    g->acts[agent] = share_acting(f, agent);
    g->precedes[agent] = seen.decisions > 0 ? (double)seen.acts / seen.decisions : NAN;
    g->mission_p[agent] = g->mission_q[agent] = NAN;
    if (seen.decisions == 0) {
        return;
    }
    for (int k = 0; k < f->cfg->permutations; k++) {
        hits += led_of(f, r, agent, k).acts >= seen.acts;
    }
    g->mission_p[agent] = (1.0 + hits) / (1.0 + f->cfg->permutations);
}

static enum err test_missions(struct finding *f)
{
    const int n_agents = f->d->n_agents, most = f->g->k * n_agents;
    double *p = ARENA_NEW(f->scratch, most, double), *q = ARENA_NEW(f->scratch, most, double);
    uint32_t *order = ARENA_NEW(f->scratch, most, uint32_t), n = 0;
    double **to = ARENA_NEW(f->scratch, most, double *);
    TRY(arena_error(f->scratch));
    for (int r = 0; r < f->g->k; r++) {
        for (int a = 0; a < n_agents; a++) {
            test_mission(f, r, a);
            if (f->g->goal[r].found && !isnan(f->g->goal[r].mission_p[a])) {
                p[n] = f->g->goal[r].mission_p[a];
                to[n++] = &f->g->goal[r].mission_q[a];
            }
        }
    }
    stat_benjamini_hochberg(q, p, n, order);
    for (uint32_t i = 0; i < n; i++) {
        *to[i] = q[i];
    }
    return ERR_OK;
}

/* ---- all ---- */

static enum err find_all(struct finding *f, struct arena *arena)
{
    TRY(find_regions(f, arena));
    TRY(regions_init(f, arena));
    TRY(test_goals(f));
    for (int r = 0; r < f->g->k; r++) {
        TRY(describe(f, r));
    }
    return test_missions(f);
}

enum err goals_find(struct goals *out, struct arena *arena, const struct goal_data *d,
                    const struct goals_cfg *cfg, struct arena *scratch)
{
    int n_success = 0;
    CHECK(arena != scratch && cfg->permutations >= 1);
    for (int e = 0; e < d->n_episodes; e++) {
        n_success += d->success[e];
    }
    if (n_success == 0 || n_success == d->n_episodes) {
        log_error("%s of the %d episodes is successful, so goals cannot be told from other states",
                  n_success == 0 ? "none" : "each", d->n_episodes);
        return ERR_CONFIG;
    }
    const struct arena_mark mark = arena_mark(scratch);
    struct finding f = {.d = d, .cfg = cfg, .g = out, .scratch = scratch};
    *out = (struct goals){0};
    const enum err e = find_all(&f, arena);
    arena_rewind(scratch, mark);
    return e;
}
