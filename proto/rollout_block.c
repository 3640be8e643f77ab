/* Rollout block codec: a block as one TileBlock message.
 *
 * Sending needs no copy but for the bootstrap values, which are sparse: only truncated steps have
 * one. Both sides know where they belong from the flags. The receiver checks every length against
 * the shape of the block that it expects, and every number that is used as an index. */
#include "proto/rollout_block.h"
#include "proto/block_message.h"
#include "proto/wire.h"

#include "core/base/log.h"

#include <string.h>

/* Lengths of the arrays of one block. */
struct shape {
    size_t steps, global_state, privileged, mask, action, agent, state, stats;
};

/* Lengths of the arrays of one block, in values, from E, T, A, F, W, G and C of
 * rollout_block.proto. */
static struct shape shape_of(const struct block *b, const struct team_spec *s, int n_stats)
{
    const size_t steps = (size_t)b->n_env * (size_t)b->n_steps;
    const size_t agents = (size_t)s->n_agents;
    const size_t factors = (size_t)s->n_factors;
    return (struct shape){
        .steps = steps,
        .global_state = steps * (size_t)s->n_global_state,
        .privileged = steps * (size_t)s->n_privileged,
        .mask = steps * agents * factors * (size_t)env_mask_words(s),
        .action = steps * agents * factors,
        .agent = steps * agents,
        .state = (size_t)b->n_env * agents * (size_t)s->n_state,
        .stats = (size_t)n_stats,
    };
}

/* The bootstrap values of truncated steps, one after the other; returns their number. Steps are
 * passed in order of (E, T), so n <= i * agents and the output never needs more than all steps. */
static size_t pack_bootstrap_value(float *out, const struct block *b, size_t steps, size_t agents)
{
    size_t n = 0;
    for (size_t i = 0; i < steps; i++) {
        if (b->flag[i] == ENV_TRUNCATED) {
            memcpy(out + n, b->bootstrap_value + i * agents, agents * sizeof *out);
            n += agents;
        }
    }
    return n;
}

void block_message(Karma__TileBlock *m, const struct block *b, const struct team_spec *spec,
                   int n_stats, float *bootstrap_value)
{
    const struct shape n = shape_of(b, spec, n_stats);
    karma__tile_block__init(m);
    m->tile = (uint32_t)b->tile;
    m->update = b->update;
    m->n_env = (uint32_t)b->n_env;
    m->n_steps = (uint32_t)b->n_steps;
    m->global_state = b->global_state, m->n_global_state = n.global_state;
    m->mask = b->mask, m->n_mask = n.mask;
    m->action = (uint32_t *)b->action, m->n_action = n.action;
    m->logp = b->logp, m->n_logp = n.agent;
    m->value = b->value, m->n_value = n.agent;
    m->reward = b->reward, m->n_reward = n.agent;
    m->flag = (ProtobufCBinaryData){.len = n.steps, .data = b->flag};
    m->bootstrap_value = bootstrap_value,
    m->n_bootstrap_value =
        pack_bootstrap_value(bootstrap_value, b, n.steps, (size_t)spec->n_agents);
    m->last_value = b->last_value;
    m->n_last_value = (size_t)b->n_env * (size_t)spec->n_agents;
    m->episode = b->episode, m->n_episode = (size_t)b->n_env;
    m->n_episodes = b->n_episodes;
    m->stats = b->stats, m->n_stats = n.stats;
    m->has_team = b->team > 0, m->team = (uint32_t)b->team;
    m->state = b->state, m->n_state = n.state;
    m->privileged = b->privileged, m->n_privileged = n.privileged;
}

enum err codec_put_block(struct buf *out, const struct block *b, const struct env_spec *spec,
                         struct arena *scratch)
{
    const struct team_spec *team = spec->teams[b->team];
    const int n_stats = block_n_stats(spec, b->team);
    const struct arena_mark mark = arena_mark(scratch);
    float *bootstrap_value = ARENA_NEW(scratch, shape_of(b, team, n_stats).agent, float);
    TRY(arena_error(scratch));
    Karma__TileBlock m;
    block_message(&m, b, team, n_stats, bootstrap_value);
    const enum err e = wire_put(out, FRAME_ROLLOUT_BLOCK, CODEC_ROLLOUT_BLOCK_VERSION, &m.base);
    arena_rewind(scratch, mark);
    return e;
}

/* The number of bootstrap values follows from the flags, which have the right length by then. A
 * flag outside the enum counts as not truncated here and is refused by check_values(). */
static enum err check_lengths(const Karma__TileBlock *m, const struct block *b,
                              const struct team_spec *spec, int n_stats, const char *source)
{
    const struct shape n = shape_of(b, spec, n_stats);
    const size_t envs = (size_t)b->n_env;
    TRY(wire_expect(source, "n_env", m->n_env, envs));
    TRY(wire_expect(source, "n_steps", m->n_steps, (size_t)b->n_steps));
    TRY(wire_expect(source, "global_state", m->n_global_state, n.global_state));
    TRY(wire_expect(source, "privileged", m->n_privileged, n.privileged));
    TRY(wire_expect(source, "mask", m->n_mask, n.mask));
    TRY(wire_expect(source, "action", m->n_action, n.action));
    TRY(wire_expect(source, "logp", m->n_logp, n.agent));
    TRY(wire_expect(source, "value", m->n_value, n.agent));
    TRY(wire_expect(source, "reward", m->n_reward, n.agent));
    TRY(wire_expect(source, "flag", m->flag.len, n.steps));
    TRY(wire_expect(source, "last_value", m->n_last_value, envs * (size_t)spec->n_agents));
    TRY(wire_expect(source, "episode", m->n_episode, envs));
    TRY(wire_expect(source, "stats", m->n_stats, n.stats));
    TRY(wire_expect(source, "state", m->n_state, n.state));
    size_t truncated = 0;
    for (size_t i = 0; i < n.steps; i++) {
        truncated += m->flag.data[i] == ENV_TRUNCATED;
    }
    return wire_expect(source, "bootstrap_value", m->n_bootstrap_value,
                       truncated * (size_t)spec->n_agents);
}

/* Indices that will be used as such. Action i has the mask words i * words .. (i + 1) * words - 1,
 * because masks are (E, T, A, F, W) where actions are (E, T, A, F). A choice outside its mask has
 * probability 0, which the learner would take the logarithm of. */
static enum err check_values(const Karma__TileBlock *m, const struct team_spec *spec,
                             const char *source)
{
    const size_t words = (size_t)env_mask_words(spec);
    for (size_t i = 0; i < m->n_action; i++) {
        if (m->action[i] >= (uint32_t)spec->n_choices) {
            log_error("%s: action %u at position %zu; there are %d choices", source, m->action[i],
                      i, spec->n_choices);
            return ERR_FORMAT;
        }
        if (!mask_has(m->mask + i * words, (int)m->action[i])) {
            log_error("%s: action %u at position %zu is outside its mask", source, m->action[i], i);
            return ERR_FORMAT;
        }
    }
    for (size_t i = 0; i < m->flag.len; i++) {
        if (m->flag.data[i] > ENV_TRUNCATED) {
            log_error("%s: flag %u at step %zu is none of 0, 1, 2", source, m->flag.data[i], i);
            return ERR_FORMAT;
        }
    }
    return ERR_OK;
}

/* The inverse of pack_bootstrap_value(); steps that were not truncated get 0. check_lengths() has
 * counted as many values as this loop takes. */
static void unpack_bootstrap_value(struct block *b, const Karma__TileBlock *m, size_t agents)
{
    const float *from = m->bootstrap_value;
    memset(b->bootstrap_value, 0, m->flag.len * agents * sizeof *b->bootstrap_value);
    for (size_t i = 0; i < m->flag.len; i++) {
        if (m->flag.data[i] == ENV_TRUNCATED) {
            memcpy(b->bootstrap_value + i * agents, from, agents * sizeof *from);
            from += agents;
        }
    }
}

/* Arrays that may be empty have no pointer in the message and are copied only if they hold values.
 */
static void copy_block(struct block *b, const Karma__TileBlock *m, const struct team_spec *spec)
{
    b->tile = (int)m->tile;
    b->update = m->update;
    memcpy(b->global_state, m->global_state, m->n_global_state * sizeof *b->global_state);
    memcpy(b->mask, m->mask, m->n_mask * sizeof *b->mask);
    memcpy(b->action, m->action, m->n_action * sizeof *b->action);
    memcpy(b->logp, m->logp, m->n_logp * sizeof *b->logp);
    memcpy(b->value, m->value, m->n_value * sizeof *b->value);
    memcpy(b->reward, m->reward, m->n_reward * sizeof *b->reward);
    memcpy(b->flag, m->flag.data, m->flag.len);
    unpack_bootstrap_value(b, m, (size_t)spec->n_agents);
    memcpy(b->last_value, m->last_value, m->n_last_value * sizeof *b->last_value);
    memcpy(b->episode, m->episode, m->n_episode * sizeof *b->episode);
    b->n_episodes = m->n_episodes;
    if (m->n_privileged > 0) {
        memcpy(b->privileged, m->privileged, m->n_privileged * sizeof *b->privileged);
    }
    if (m->n_state > 0) {
        memcpy(b->state, m->state, m->n_state * sizeof *b->state);
    }
    if (m->n_stats > 0) {
        memcpy(b->stats, m->stats, m->n_stats * sizeof *b->stats);
    }
}

/* Blocks may arrive in any order; tile and team say which one a message is. NULL: none of these. */
static struct block *find_block(struct block *blocks, int n_blocks, uint32_t tile, uint32_t team)
{
    for (int i = 0; i < n_blocks; i++) {
        if ((uint32_t)blocks[i].tile == tile && (uint32_t)blocks[i].team == team) {
            return &blocks[i];
        }
    }
    return NULL;
}

enum err codec_get_block(struct block **got, struct block *blocks, int n_blocks,
                         const struct env_spec *spec, const void *bytes, size_t n,
                         const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    enum err e = ERR_FORMAT;
    const Karma__TileBlock *m =
        (const void *)wire_get(&karma__tile_block__descriptor, bytes, n, source, scratch);
    if (m == NULL) {
        e = wire_error(scratch);
        goto rewind;
    }
    struct block *b = find_block(blocks, n_blocks, m->tile, m->team);
    if (b == NULL) {
        log_error("%s: tile %u of team %u is not one of those expected here", source, m->tile,
                  m->team);
        goto rewind;
    }
    const struct team_spec *team = spec->teams[b->team];
    TRY_GOTO(e, check_lengths(m, b, team, block_n_stats(spec, b->team), source), rewind);
    TRY_GOTO(e, check_values(m, team, source), rewind);
    copy_block(b, m, team);
    *got = b;
rewind:
    arena_rewind(scratch, mark);
    return e;
}
