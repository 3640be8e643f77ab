/* Weights codec: what is broadcast after an update, and the policy file that embeds it. Both are
 * checked before *w is written: by length, by team, and, for a file, by the digest of the weights.
 */
#include "proto/weights.h"
#include "proto/weights_message.h"
#include "proto/wire.h"

#include "core/base/hash.h"
#include "core/base/log.h"

#include <inttypes.h>
#include <string.h>

/* Team 0 leaves its number out, which reads as 0. The message borrows the arrays of w. */
void weights_message(Karma__Weights *m, const struct weights *w, int team)
{
    karma__weights__init(m);
    m->version = w->version;
    m->params = w->params, m->n_params = w->n_params;
    m->global_state_stats = w->global_state_stats,
    m->n_global_state_stats = w->n_global_state_stats;
    m->value_norm = w->value_norm, m->n_value_norm = w->n_value_norm;
    m->has_team = team > 0, m->team = (uint32_t)team;
}

/* *w was built for this game, so its lengths are the expected ones. */
static enum err check_weights(const struct weights *w, const Karma__Weights *m, const char *source)
{
    TRY(wire_expect(source, "params", m->n_params, w->n_params));
    TRY(wire_expect(source, "global_state_stats", m->n_global_state_stats,
                    w->n_global_state_stats));
    return wire_expect(source, "value_norm", m->n_value_norm, w->n_value_norm);
}

/* The message as weights; borrowed from it. */
static struct weights weights_in(const Karma__Weights *m)
{
    return (struct weights){.version = m->version,
                            .n_params = m->n_params,
                            .n_global_state_stats = m->n_global_state_stats,
                            .n_value_norm = m->n_value_norm,
                            .params = m->params,
                            .global_state_stats = m->global_state_stats,
                            .value_norm = m->value_norm};
}

/* Of a message that check_weights() let pass. */
static void take_weights(struct weights *w, const Karma__Weights *m)
{
    const struct weights in = weights_in(m);
    weights_copy(w, &in);
}

enum err codec_put_weights(struct buf *out, const struct weights *w, int team)
{
    Karma__Weights m;
    weights_message(&m, w, team);
    return wire_put(out, FRAME_WEIGHTS, CODEC_WEIGHTS_VERSION, &m.base);
}

enum err codec_get_weights(struct weights *w, int team, const void *bytes, size_t n,
                           const char *source, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const Karma__Weights *m =
        (const void *)wire_get(&karma__weights__descriptor, bytes, n, source, scratch);
    enum err e = m == NULL ? wire_error(scratch) : check_weights(w, m, source);
    if (e == ERR_OK && m->team != (uint32_t)team) {
        log_error("%s: weights of team %u stand where those of team %d should", source, m->team,
                  team);
        e = ERR_FORMAT;
    }
    if (e == ERR_OK) {
        take_weights(w, m);
    }
    arena_rewind(scratch, mark);
    return e;
}

/* ---- policy file ---- */

enum err codec_put_policy(struct buf *out, const struct weights *w, const struct team_spec *spec,
                          const struct policy_meta *meta)
{
    Karma__Weights weights;
    weights_message(&weights, w, 0);
    Karma__Policy m;
    karma__policy__init(&m);
    m.weights = &weights;
    m.seed = meta->seed;
    m.digest = meta->digest;
    m.config = (char *)(uintptr_t)meta->config;
    m.agents = (char **)(uintptr_t)spec->agent_names, m.n_agents = (size_t)spec->n_agents;
    m.features = (char **)(uintptr_t)meta->features, m.n_features = (size_t)spec->n_norm;
    m.n_obs = (uint32_t)spec->n_obs;
    m.n_critic = (uint32_t)spec->n_critic;
    m.n_factors = (uint32_t)spec->n_factors;
    m.n_choices = (uint32_t)spec->n_choices;
    return wire_put(out, FRAME_POLICY, CODEC_POLICY_VERSION, &m.base);
}

static enum err must_match(const char *source, const char *what, uint32_t found, int expected)
{
    if (found == (uint32_t)expected) {
        return ERR_OK;
    }
    log_error("%s: the policy was trained with %u %s, this configuration has %d; evaluate it with "
              "the configuration it was trained with",
              source, found, what, expected);
    return ERR_MISMATCH;
}

/* The columns must be the same ones, not only as many: a network would take one for another. Their
 * numbers were compared before, so both lists have n_features names. */
static enum err check_features(const Karma__Policy *m, const struct policy_meta *meta,
                               const char *source)
{
    for (size_t i = 0; meta->features != NULL && i < m->n_features; i++) {
        if (strcmp(m->features[i], meta->features[i]) != 0) {
            log_error("%s: column %zu of the state is '%s' in the policy and '%s' here", source, i,
                      m->features[i], meta->features[i]);
            return ERR_MISMATCH;
        }
    }
    return ERR_OK;
}

static enum err check_policy(const Karma__Policy *m, const struct team_spec *spec,
                             const struct policy_meta *meta, const char *source)
{
    TRY(must_match(source, "agents", (uint32_t)m->n_agents, spec->n_agents));
    TRY(must_match(source, "state columns", (uint32_t)m->n_features, spec->n_norm));
    TRY(must_match(source, "observation columns", m->n_obs, spec->n_obs));
    TRY(must_match(source, "critic columns", m->n_critic, spec->n_critic));
    TRY(must_match(source, "factors", m->n_factors, spec->n_factors));
    TRY(must_match(source, "choices", m->n_choices, spec->n_choices));
    return check_features(m, meta, source);
}

enum err codec_get_policy(struct weights *w, const struct team_spec *spec, struct policy_meta *meta,
                          const void *bytes, size_t n, const char *source, struct arena *arena)
{
    const Karma__Policy *m =
        (const void *)wire_get(&karma__policy__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(check_policy(m, spec, meta, source));
    TRY(check_weights(w, m->weights, source));
    /* The CRC of the frame finds damage on the disk; the digest also finds a file that was edited
     * and framed again, and it is the identity of the policy in the tables of an evaluation. */
    const struct weights in = weights_in(m->weights);
    const uint64_t digest = weights_hash(HASH_START, &in);
    if (digest != m->digest) {
        log_error("%s: digest of the weights is %016" PRIx64 ", the file says %016" PRIx64
                  "; it was damaged or edited",
                  source, digest, m->digest);
        return ERR_FORMAT;
    }
    take_weights(w, m->weights);
    meta->seed = m->seed;
    meta->digest = m->digest;
    meta->config = m->config;
    return ERR_OK;
}

/* Read before a policy can be: the shapes that codec_get_policy() compares follow from this text.
 */
enum err codec_get_policy_config(const char **config, const void *bytes, size_t n,
                                 const char *source, struct arena *arena)
{
    const Karma__Policy *m =
        (const void *)wire_get(&karma__policy__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    *config = m->config;
    return ERR_OK;
}
