/* What is known of a batch before the first epoch: its statistics, merged over all tiles, and the
 * inputs of the networks, which stay the same through the epochs because the statistics of the
 * global states are frozen.
 */
#include "core/marl/mappo_parts.h"

#include "core/base/log.h"
#include "core/marl/gae.h"
#include "core/marl/loss.h"

#include <math.h>
#include <string.h>

const double mappo_advantage_eps = 1e-5;

static enum err tile_inputs_init(struct tile_inputs *in, struct arena *arena,
                                 const struct team *team, size_t n_rows)
{
    size_t agents = (size_t)team->spec->n_agents;
    in->obs = ARENA_NEW(arena, agents * n_rows * (size_t)team->obs_ld, float);
    in->critic = ARENA_NEW(arena, n_rows * (size_t)team->critic_ld, float);
    in->value = ARENA_NEW(arena, n_rows * agents, float);
    in->target = ARENA_NEW(arena, n_rows * agents, float);
    return arena_error(arena);
}

enum err batch_init(struct mappo *m, struct arena *arena)
{
    const struct team_spec *spec = m->team->spec;
    int n_rows = (m->n_env < TILE ? m->n_env : TILE) * m->n_steps;
    int n_columns = spec->n_norm > spec->n_agents ? spec->n_norm : spec->n_agents;
    m->tiles = ARENA_NEW(arena, m->n_mine, struct tile_inputs);
    m->adv_mean = ARENA_NEW(arena, spec->n_agents, float);
    m->adv_scale = ARENA_NEW(arena, spec->n_agents, float);
    m->global_state = ARENA_NEW(arena, spec->n_global_state, float);
    m->column = ARENA_NEW(arena, n_rows, float);
    m->columns = ARENA_NEW(arena, stats_doubles(n_columns), double);
    m->batch_total = arena_alloc(arena, 1, reduce_bytes(&m->batch_shape));
    TRY(arena_error(arena));
    for (int i = 0; i < m->n_mine; i++) {
        TRY(tile_inputs_init(&m->tiles[i], arena, m->team, (size_t)n_rows));
    }
    return ERR_OK;
}

/* ---- statistics ---- */

/* Copy the n columns of statistics `from` (a block of n) to columns at.. of `to` (a block of d). */
static void put_columns(double *to, int d, int at, const double *from, int n)
{
    for (int part = 0; part < 3; part++) { /* count, mean, m2 */
        memcpy(to + (long)part * d + at, from + (long)part * n, (size_t)n * sizeof(double));
    }
}

static void take_columns(double *to, int n, const double *from, int d, int at)
{
    for (int part = 0; part < 3; part++) {
        memcpy(to + (long)part * n, from + (long)part * d + at, (size_t)n * sizeof(double));
    }
}

/* Statistics of x (rows, A) become columns `kind` of the record. */
static void put_per_agent(struct mappo *m, double *stats, enum batch_column kind, const float *x,
                          int n_rows)
{
    int n_agents = m->team->spec->n_agents;
    stats_of_rows(m->columns, n_agents, x, n_agents, n_rows);
    put_columns(stats, batch_columns(m->team), batch_column(m->team, kind, 0), m->columns,
                n_agents);
}

/* Advantages of one agent, of the samples in which it had a choice. */
static void put_advantage(struct mappo *m, double *stats, const struct block *b, int agent)
{
    const struct team_spec *spec = m->team->spec;
    int n_words = spec->n_factors * env_mask_words(spec);
    int n = 0;
    for (int row = 0; row < b->n_env * b->n_steps; row++) {
        int i = row * spec->n_agents + agent;
        if (loss_has_choice(b->mask + (long)i * n_words, spec->n_factors, spec->n_choices)) {
            m->column[n++] = b->advantage[i];
        }
    }
    stats_of_rows(m->columns, 1, m->column, 1, n);
    put_columns(stats, batch_columns(m->team), batch_column(m->team, COL_ADVANTAGE, agent),
                m->columns, 1);
}

/* Advantages of groups are centred on the way. */
static void tile_statistics(struct mappo *m, void *leaf, struct block *b)
{
    const struct team_spec *spec = m->team->spec;
    int n_rows = b->n_env * b->n_steps;
    reduce_clear(&m->batch_shape, leaf);
    double *stats = reduce_stats(&m->batch_shape, leaf);
    stats_of_rows(m->columns, spec->n_norm, b->global_state, spec->n_global_state, n_rows);
    put_columns(stats, batch_columns(m->team), 0, m->columns, spec->n_norm);
    /* The critic is judged by target - value, which the advantage is until groups are centred. */
    put_per_agent(m, stats, COL_RESIDUAL, b->advantage, n_rows);
    gae_centre_groups(b, spec->n_agents, m->group);
    for (int agent = 0; agent < spec->n_agents; agent++) {
        put_advantage(m, stats, b, agent);
    }
    put_per_agent(m, stats, COL_TARGET, b->target, n_rows);
    put_per_agent(m, stats, COL_REWARD, b->reward, n_rows);
}

static double *total_stats(const struct mappo *m)
{
    return reduce_stats(&m->batch_shape, m->batch_total);
}

static enum err check_finite(struct mappo *m)
{
    static const char *const names[N_BATCH_COLUMNS] = {"advantage", "return", "value error",
                                                       "reward"};
    const struct team_spec *spec = m->team->spec;
    int d = batch_columns(m->team);
    const double *m2 = total_stats(m) + 2 * (long)d; /* not finite if anything before is not */
    for (int c = 0; c < d; c++) {
        if (isfinite(m2[c])) {
            continue;
        }
        if (c < spec->n_norm) {
            return mappo_not_finite(m, "column %d of the rows", c);
        }
        const int i = c - spec->n_norm, agent = i % spec->n_agents;
        return mappo_not_finite(m, "the %s of agent '%s'", names[i / spec->n_agents],
                                spec->agent_names[agent]);
    }
    return ERR_OK;
}

enum err batch_collect(struct mappo *m, struct block *blocks)
{
    for (int i = 0; i < m->n_mine; i++) {
        struct block *b = &blocks[i];
        CHECK(b->n_steps == m->n_steps && b->n_env <= TILE);
        gae_block(b, m->team->spec->n_agents, m->cfg->gamma, m->cfg->lambda);
        tile_statistics(m, m->batch.leaf(m->batch.ctx, b->tile), b);
        m->batch.leaf_done(m->batch.ctx, b->tile);
    }
    TRY(m->batch.total(m->batch.ctx, m->batch_total));
    return check_finite(m);
}

/* ---- what the epochs read ---- */

static void scale_advantages(struct mappo *m)
{
    int d = batch_columns(m->team);
    for (int agent = 0; agent < m->team->spec->n_agents; agent++) {
        int c = batch_column(m->team, COL_ADVANTAGE, agent);
        double sd = sqrt(stats_var(total_stats(m), d, c));
        m->adv_mean[agent] = (float)total_stats(m)[d + c];
        m->adv_scale[agent] = (float)(1.0 / (sd + mappo_advantage_eps));
    }
}

/* One output for each agent moves by that agent's returns; one shared output by all of them, merged
 * in the order of the agents. */
static void move_popart(struct mappo *m, const struct popart *pa)
{
    struct team *t = m->team;
    double *stats = m->columns;
    int d = batch_columns(t), n_agents = t->spec->n_agents;
    if (pa->d == n_agents) {
        take_columns(stats, n_agents, total_stats(m), d, batch_column(t, COL_TARGET, 0));
    } else {
        stats_clear(stats, 1);
        for (int agent = 0; agent < n_agents; agent++) {
            double one[3];
            take_columns(one, 1, total_stats(m), d, batch_column(t, COL_TARGET, agent));
            stats_merge(stats, one, 1);
        }
    }
    struct popart moved = *pa;
    popart_update(&moved, stats, &t->critic, t->w.params + t->critic_at[0]);
}

static void tile_prepare(struct mappo *m, struct tile_inputs *in, const struct block *b,
                         const struct popart *pa)
{
    struct team *t = m->team;
    int n_rows = b->n_env * b->n_steps, n_agents = t->spec->n_agents;
    team_inputs(t, in->obs, t->critic_ld > 0 ? in->critic : NULL, m->global_state, b->global_state,
                t->cfg->critic == CRITIC_PRIVILEGED ? b->privileged : NULL, n_rows);
    for (int v = 0; v < t->n_views; v++) {
        popart_normalise(pa, in->value + v, n_agents, b->value + v, n_agents, n_rows);
        popart_normalise(pa, in->target + v, n_agents, b->target + v, n_agents, n_rows);
    }
}

void batch_prepare(struct mappo *m, const struct block *blocks)
{
    struct popart pa = team_popart(m->team, m->cfg->value_beta);
    if (!m->cfg->raw_values) { /* else mean 0 and deviation 1, as at the start */
        move_popart(m, &pa);
    }
    scale_advantages(m);
    for (int i = 0; i < m->n_mine; i++) {
        tile_prepare(m, &m->tiles[i], &blocks[i], &pa);
    }
}

void batch_merge_rows(struct mappo *m)
{
    struct team *t = m->team;
    take_columns(m->columns, t->spec->n_norm, total_stats(m), batch_columns(t), 0);
    stats_merge(t->w.global_state_stats, m->columns, t->spec->n_norm);
}

/* ---- the log ---- */

double batch_mean_reward(const struct mappo *m)
{
    int n_agents = m->team->spec->n_agents;
    const double *mean = total_stats(m) + batch_columns(m->team);
    double sum = 0.0;
    for (int agent = 0; agent < n_agents; agent++) {
        sum += mean[batch_column(m->team, COL_REWARD, agent)];
    }
    return sum / n_agents;
}

double batch_explained_variance(const struct mappo *m)
{
    int d = batch_columns(m->team), n_agents = m->team->spec->n_agents;
    double sum = 0.0;
    for (int agent = 0; agent < n_agents; agent++) {
        double all = stats_var(total_stats(m), d, batch_column(m->team, COL_TARGET, agent));
        double rest = stats_var(total_stats(m), d, batch_column(m->team, COL_RESIDUAL, agent));
        sum += all > 0.0 ? 1.0 - rest / all : 0.0;
    }
    return sum / n_agents;
}
