/* Populations, their elites, and the laws fitted to them. See cross_entropy.h. */
#include "core/controllers/cross_entropy.h"

#include <math.h>
#include <string.h>

static const double MOVE = 0.8, SD_MIN = 0.35;

enum err cross_entropy_init(struct cross_entropy *c, struct arena *arena,
                            const struct cross_entropy_cfg *cfg, int n_steps, int n,
                            const int *least, const int *most)
{
    const int size = n_steps * n;
    *c = (struct cross_entropy){.cfg = *cfg,
                                .n_steps = n_steps,
                                .n = n,
                                .least = least,
                                .most = most,
                                .mean = ARENA_NEW(arena, size, double),
                                .sd = ARENA_NEW(arena, size, double),
                                .plans = ARENA_NEW(arena, cfg->samples * size, int),
                                .score = ARENA_NEW(arena, cfg->samples, double),
                                .order = ARENA_NEW(arena, cfg->samples, int),
                                .best = ARENA_NEW(arena, size, int)};
    return arena_error(arena);
}

static int *plan_at(const struct cross_entropy *c, int i)
{
    return c->plans + (ptrdiff_t)i * c->n_steps * c->n;
}

static int whole(const struct cross_entropy *c, int column, double x)
{
    const double low = c->least[column], high = c->most[column];
    return (int)floor((x < low ? low : x > high ? high : x) + 0.5);
}

/* ---- a population ---- */

static void round_means(const struct cross_entropy *c, int *plan)
{
    for (int k = 0; k < c->n_steps * c->n; k++) {
        plan[k] = whole(c, k % c->n, c->mean[k]);
    }
}

/* A block of random words makes the numbers of two columns: `at` counts blocks. */
static void draw_plan(const struct cross_entropy *c, int *plan, const struct cross_entropy_draws *d,
                      uint32_t at)
{
    const double fresh = sqrt(1.0 - c->cfg.rho * c->cfg.rho);
    for (int column = 0; column < c->n; column++) {
        double z = 0.0;
        for (int k = 0; k < c->n_steps; k++) {
            const uint32_t which = at + (uint32_t)(k * ((c->n + 1) / 2) + column / 2);
            const struct rng_block u = rng_philox(d->key, which, d->step, d->episode, d->env);
            const double e =
                column % 2 == 0 ? rng_normal(u.v[0], u.v[1]) : rng_normal(u.v[2], u.v[3]);
            const int i = k * c->n + column;
            z = k == 0 ? e : c->cfg.rho * z + fresh * e;
            plan[i] = whole(c, column, c->mean[i] + c->sd[i] * z);
        }
    }
}

/* The means rounded, then the best plan so far or those given, then draws. */
static void draw_population(struct cross_entropy *c, const int *first, int n_first,
                            const struct cross_entropy_draws *d, int iteration)
{
    const size_t bytes = (size_t)(c->n_steps * c->n) * sizeof(int);
    const int room = c->cfg.samples - (c->cfg.samples + 3) / 4 - 1;
    const int n_given = n_first < room ? n_first : room;
    const uint32_t blocks = (uint32_t)(c->n_steps * ((c->n + 1) / 2));
    int i = 0;
    round_means(c, plan_at(c, i++));
    if (n_given > 0) {
        memcpy(plan_at(c, i), first, (size_t)n_given * bytes);
        i += n_given;
    }
    for (; i < c->cfg.samples; i++) {
        draw_plan(c, plan_at(c, i), d, (uint32_t)(iteration * c->cfg.samples + i) * blocks);
    }
}

/* Insertion sort, stable: populations are small beside the time of a score. */
static void rank(struct cross_entropy *c)
{
    for (int i = 0; i < c->cfg.samples; i++) {
        int j = i;
        for (; j > 0 && c->score[i] > c->score[c->order[j - 1]]; j--) {
            c->order[j] = c->order[j - 1];
        }
        c->order[j] = i;
    }
}

/* ---- the laws ---- */

static void fit(struct cross_entropy *c)
{
    const int wanted = (int)ceil(c->cfg.elites * c->cfg.samples);
    const int n = wanted > 2 ? wanted : 2;
    for (int k = 0; k < c->n_steps * c->n; k++) {
        double sum = 0.0, squares = 0.0;
        for (int i = 0; i < n; i++) {
            sum += plan_at(c, c->order[i])[k];
        }
        const double mean = sum / n;
        for (int i = 0; i < n; i++) {
            const double off = plan_at(c, c->order[i])[k] - mean;
            squares += off * off;
        }
        c->mean[k] += MOVE * (mean - c->mean[k]);
        c->sd[k] = fmax(SD_MIN, c->sd[k] + MOVE * (sqrt(squares / n) - c->sd[k]));
    }
}

void cross_entropy_run(struct cross_entropy *c, const int *first, int n_first,
                       double (*score)(void *ctx, const int *plan), void *ctx,
                       const struct cross_entropy_draws *draws)
{
    const size_t bytes = (size_t)(c->n_steps * c->n) * sizeof(int);
    c->best_score = -INFINITY;
    for (int t = 0; t < c->cfg.iterations; t++) {
        draw_population(c, t == 0 ? first : c->best, t == 0 ? n_first : 1, draws, t);
        for (int i = 0; i < c->cfg.samples; i++) {
            c->score[i] = score(ctx, plan_at(c, i));
        }
        rank(c);
        if (t == 0 || c->score[c->order[0]] > c->best_score) {
            c->best_score = c->score[c->order[0]];
            memcpy(c->best, plan_at(c, c->order[0]), bytes);
        }
        fit(c);
    }
}
