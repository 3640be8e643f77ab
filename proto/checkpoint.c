/* Checkpoint codec: the frames of a checkpoint but for the weights. See checkpoint.proto.
 *
 * A header says for which training the rest is; the same function fills it when a checkpoint is
 * written and when one is compared with this training, so no field can be forgotten in one of them.
 * Nothing here depends on ranks: frames are of teams and of tiles. */
#include "proto/checkpoint.h"
#include "proto/checkpoint.pb-c.h"
#include "proto/wire.h"

#include "core/base/log.h"

#include <inttypes.h>
#include <string.h>

/* ---- header ---- */

/* Team 0 leaves its number out: an absent field reads as 0, and the message of a single team does
 * not mention teams. */
static void header_message(Karma__Checkpoint *m, const struct checkpoint_header *h,
                           const struct learner *l)
{
    const struct team_spec *spec = l->spec;
    karma__checkpoint__init(m);
    m->config = h->config;
    m->update = h->update;
    m->rollouts = h->rollouts;
    m->adam_t = h->counter;
    m->weights = h->weights;
    m->n_params = l->w->n_params;
    m->n_envs = (uint32_t)h->n_envs;
    m->tile = TILE;
    m->horizon = (uint32_t)h->horizon;
    m->n_agents = (uint32_t)spec->n_agents;
    m->n_factors = (uint32_t)spec->n_factors;
    m->n_choices = (uint32_t)spec->n_choices;
    m->n_global_state = (uint32_t)spec->n_global_state;
    m->has_team = l->team > 0, m->team = (uint32_t)l->team;
}

enum err codec_put_checkpoint(struct buf *out, const struct checkpoint_header *h,
                              const struct learner *l)
{
    Karma__Checkpoint m;
    header_message(&m, h, l);
    return wire_put(out, FRAME_CHECKPOINT, CODEC_CHECKPOINT_VERSION, &m.base);
}

/* ERR_MISMATCH, not ERR_FORMAT: the file is whole, but it belongs to another training. */
static enum err must_be(const char *source, const char *what, uint64_t found, uint64_t expected)
{
    if (found == expected) {
        return ERR_OK;
    }
    log_error("%s: the checkpoint has %" PRIu64 " %s, this training %" PRIu64
              "; it was made by another training, or by a program that built it otherwise",
              source, found, what, expected);
    return ERR_MISMATCH;
}

/* The digests are left to the caller. A team at the wrong place is damage, since this program
 * writes them in order; so is an update beyond int. */
static enum err check_header(const Karma__Checkpoint *m, const Karma__Checkpoint *own,
                             const char *source)
{
    if (m->team != own->team) {
        log_error("%s: team %u stands where team %u should", source, m->team, own->team);
        return ERR_FORMAT;
    }
    TRY(must_be(source, "parameters", m->n_params, own->n_params));
    TRY(must_be(source, "environments", m->n_envs, own->n_envs));
    TRY(must_be(source, "environments in a tile", m->tile, own->tile));
    TRY(must_be(source, "steps in an episode", m->horizon, own->horizon));
    TRY(must_be(source, "agents", m->n_agents, own->n_agents));
    TRY(must_be(source, "factors of an action", m->n_factors, own->n_factors));
    TRY(must_be(source, "choices of a factor", m->n_choices, own->n_choices));
    TRY(must_be(source, "columns of a state", m->n_global_state, own->n_global_state));
    if (m->update > INT32_MAX) {
        log_error("%s: update %u is more than any training does", source, m->update);
        return ERR_FORMAT;
    }
    return ERR_OK;
}

enum err codec_get_checkpoint(struct checkpoint_header *h, const struct learner *l,
                              const void *bytes, size_t n, const char *source,
                              struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    Karma__Checkpoint own;
    header_message(&own, h, l);
    const Karma__Checkpoint *m =
        (const void *)wire_get(&karma__checkpoint__descriptor, bytes, n, source, scratch);
    const enum err e = m == NULL ? wire_error(scratch) : check_header(m, &own, source);
    if (e == ERR_OK) {
        h->config = m->config;
        h->weights = m->weights;
        h->update = m->update;
        h->rollouts = m->rollouts;
        h->counter = m->adam_t;
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- moments ---- */

/* protobuf-c has no const in its structs; casts by uintptr_t, here and in the other codecs, take it
 * away from arrays that packing only reads. */
enum err codec_put_moments(struct buf *out, int order, const float *values, size_t n_values)
{
    Karma__Moments m;
    karma__moments__init(&m);
    m.order = (uint32_t)order;
    m.values = (float *)(uintptr_t)values, m.n_values = n_values;
    return wire_put(out, FRAME_MOMENTS, CODEC_MOMENTS_VERSION, &m.base);
}

enum err codec_get_moments(float *values, size_t n_values, int order, const void *bytes, size_t n,
                           const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const Karma__Moments *m =
        (const void *)wire_get(&karma__moments__descriptor, bytes, n, source, scratch);
    enum err e =
        m == NULL ? wire_error(scratch) : wire_expect(source, "values", m->n_values, n_values);
    if (e == ERR_OK && m->order != (uint32_t)order) {
        log_error("%s: moments of order %u stand where those of order %d should", source, m->order,
                  order);
        e = ERR_FORMAT;
    }
    if (e == ERR_OK) {
        memcpy(values, m->values, n_values * sizeof *values);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- tile state ---- */

static size_t factors_of(const struct rollout_tile *tile)
{
    return (size_t)env_joint_actions(tile->env->spec);
}

/* The actions of all environments, one after the other; their number of values in *n. Each
 * environment has steps[e] joint actions of factors_of() values: those of its running episode,
 * which is all that replay needs to restore its state. NULL when out of memory. */
static uint32_t *join_actions(size_t *n, const struct rollout_tile *tile, struct arena *scratch)
{
    size_t steps = 0;
    for (int e = 0; e < tile->env->n_env; e++) {
        steps += (size_t)tile->steps[e];
    }
    *n = 0;
    uint32_t *joined = ARENA_NEW(scratch, steps * factors_of(tile), uint32_t);
    for (int e = 0; joined != NULL && e < tile->env->n_env; e++) {
        const uint16_t *stored = rollout_stored(tile, e, 0);
        const size_t n_values = (size_t)tile->steps[e] * factors_of(tile);
        for (size_t i = 0; i < n_values; i++) {
            joined[(*n)++] = stored[i];
        }
    }
    return joined;
}

/* Floats that agents of team k carry in all environments of the tile. */
static size_t carried(const struct rollout_tile *tile, int k)
{
    const struct team_spec *team = tile->env->spec->teams[k];
    return (size_t)tile->env->n_env * (size_t)(team->n_agents * team->n_state);
}

static size_t carried_by_all(const struct rollout_tile *tile)
{
    size_t n = 0;
    for (int k = 0; k < tile->env->spec->n_teams; k++) {
        n += carried(tile, k);
    }
    return n;
}

/* What agents carry, team after team; NULL when out of memory. A team that carries nothing may have
 * no array, so memcpy() is not called for it. */
static float *join_states(const struct rollout_tile *tile, struct arena *scratch)
{
    float *joined = ARENA_NEW(scratch, carried_by_all(tile), float), *to = joined;
    for (int k = 0; joined != NULL && k < tile->env->spec->n_teams; k++) {
        const size_t n = carried(tile, k);
        if (n > 0) {
            memcpy(to, tile->state[k], n * sizeof *to);
        }
        to += n;
    }
    return joined;
}

/* The message points into the tile and into scratch, which is rewound after packing. An empty array
 * has a valid pointer (arena_alloc()), so NULL means that memory is exhausted. */
enum err codec_put_tile_state(struct buf *out, const struct rollout_tile *tile,
                              const uint32_t *sums, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const size_t n_env = (size_t)tile->env->n_env;
    uint32_t steps[TILE];
    Karma__TileState m;
    karma__tile_state__init(&m);
    for (size_t e = 0; e < n_env; e++) {
        steps[e] = (uint32_t)tile->steps[e];
    }
    m.tile = (uint32_t)tile->tile;
    m.episode = (uint32_t *)(uintptr_t)tile->episode, m.n_episode = n_env;
    m.steps = steps, m.n_steps = n_env;
    m.sum = (uint32_t *)(uintptr_t)sums, m.n_sum = n_env;
    m.action = join_actions(&m.n_action, tile, scratch);
    enum err e = ERR_MEMORY;
    m.state = join_states(tile, scratch), m.n_state = carried_by_all(tile);
    if (m.action != NULL && m.state != NULL) {
        e = wire_put(out, FRAME_TILE_STATE, CODEC_TILE_STATE_VERSION, &m.base);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* Each step holds the choices of one team after the other, so the inner loops advance i by the
 * values of a whole step. check_tile() has made n_action a multiple of that, hence i ends exactly
 * at n_action and never reads behind it. A choice that passes fits into the 16 bits in which tiles
 * store it. */
static enum err check_choices(const Karma__TileState *m, const struct rollout_tile *tile,
                              const char *source)
{
    const struct env_spec *spec = tile->env->spec;
    for (size_t i = 0; i < m->n_action;) {
        for (int k = 0; k < spec->n_teams; k++) {
            const struct team_spec *team = spec->teams[k];
            for (const size_t end = i + (size_t)env_n_actions(team); i < end; i++) {
                if (m->action[i] >= (uint32_t)team->n_choices) {
                    log_error("%s: action %u at position %zu of tile %u; there are %d choices",
                              source, m->action[i], i, m->tile, team->n_choices);
                    return ERR_FORMAT;
                }
            }
        }
    }
    return ERR_OK;
}

/* Lengths first, since the later checks index by them. An environment whose episode is over has
 * begun the next one, so steps is below max_steps; with that the sum cannot overflow. */
static enum err check_tile(const Karma__TileState *m, const struct rollout_tile *tile,
                           const char *source)
{
    const size_t n_env = (size_t)tile->env->n_env;
    size_t steps = 0;
    TRY(wire_expect(source, "episode", m->n_episode, n_env));
    TRY(wire_expect(source, "steps", m->n_steps, n_env));
    TRY(wire_expect(source, "sum", m->n_sum, n_env));
    if (m->tile != (uint32_t)tile->tile) {
        log_error("%s: tile %u stands where tile %d should", source, m->tile, tile->tile);
        return ERR_FORMAT;
    }
    for (size_t e = 0; e < n_env; e++) {
        if (m->steps[e] >= (uint32_t)tile->max_steps) {
            log_error("%s: environment %zu of tile %u has %u steps behind it; an episode has %d",
                      source, e, m->tile, m->steps[e], tile->max_steps);
            return ERR_FORMAT;
        }
        steps += m->steps[e];
    }
    TRY(wire_expect(source, "action", m->n_action, steps * factors_of(tile)));
    TRY(wire_expect(source, "state", m->n_state, carried_by_all(tile)));
    return check_choices(m, tile, source);
}

/* The inverse of join_actions() and join_states(), for a message that check_tile() let pass. */
static void take_tile(struct rollout_tile *tile, uint32_t *sums, const Karma__TileState *m)
{
    const uint32_t *from = m->action;
    for (int e = 0; e < tile->env->n_env; e++) {
        const size_t n_values = (size_t)m->steps[e] * factors_of(tile);
        uint16_t *stored = rollout_stored(tile, e, 0);
        tile->episode[e] = m->episode[e];
        tile->steps[e] = (int)m->steps[e];
        sums[e] = m->sum[e];
        for (size_t i = 0; i < n_values; i++) {
            stored[i] = (uint16_t)*from++;
        }
    }
    const float *state = m->state; /* NULL if no team carries any */
    for (int k = 0; k < tile->env->spec->n_teams; k++) {
        const size_t n = carried(tile, k);
        if (n > 0) {
            memcpy(tile->state[k], state, n * sizeof *state);
            state += n;
        }
    }
}

/* The tile is written only after all checks, so a damaged file leaves it as it was. */
enum err codec_get_tile_state(struct rollout_tile *tile, uint32_t *sums, const void *bytes,
                              size_t n, const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const Karma__TileState *m =
        (const void *)wire_get(&karma__tile_state__descriptor, bytes, n, source, scratch);
    const enum err e = m == NULL ? wire_error(scratch) : check_tile(m, tile, source);
    if (e == ERR_OK) {
        take_tile(tile, sums, m);
    }
    arena_rewind(scratch, mark);
    return e;
}
