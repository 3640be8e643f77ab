/* Codec of one episode, step by step. The log is read to find out which episodes it holds, and by
 * programs outside; so a frame names its services, columns, agents and terms itself. */
#include "proto/trajectory_log.h"
#include "proto/trajectory_log.pb-c.h"
#include "proto/wire.h"

#include "core/base/log.h"

#include <math.h>

/* What version 2 added. NaN is not written. */
static void put_team(Karma__TrajectoryEpisode *m, const struct trajectory_episode *t)
{
    const size_t n = (size_t)t->n_steps * m->n_agents * m->n_services;
    m->roles = wire_strings(t->roles), m->n_roles = t->roles != NULL ? m->n_agents : 0;
    m->change = (int32_t *)(uintptr_t)t->change, m->n_change = t->change != NULL ? n : 0;
    m->free_change = (int32_t *)(uintptr_t)t->free_change;
    m->n_free_change = t->free_change != NULL ? n : 0;
    m->has_slo_attainment = !isnan(t->slo_attainment), m->slo_attainment = t->slo_attainment;
    m->has_upper_bound = !isnan(t->upper_bound), m->upper_bound = t->upper_bound;
}

/* Lengths follow from T, N, S, A, F and R of trajectory_log.proto. Rules have no agents and no
 * choices, so their array of actions is empty. State has one row more than the others: the row
 * after the last decision. */
enum err codec_put_trajectory(struct buf *out, const struct trajectory_episode *t)
{
    const size_t steps = (size_t)t->n_steps;
    Karma__TrajectoryEpisode m;
    karma__trajectory_episode__init(&m);
    m.controller = (char *)(uintptr_t)t->controller;
    m.policy = t->policy;
    m.train_seed = t->train_seed;
    m.scenario = (char *)(uintptr_t)t->scenario;
    m.split = (char *)(uintptr_t)t->split;
    m.seed = t->seed;
    m.episode = t->episode;
    m.cell_digest = t->cell_digest;
    m.period_s = t->period_s;
    m.services = wire_strings(t->services), m.n_services = (size_t)t->n_services;
    m.columns = wire_strings(t->columns), m.n_columns = (size_t)t->n_columns;
    m.agents = wire_strings(t->agents), m.n_agents = (size_t)t->n_agents;
    m.terms = wire_strings(t->terms), m.n_terms = (size_t)t->n_terms;
    m.choices = (uint32_t)t->n_choices;
    m.state = (float *)(uintptr_t)t->state, m.n_state = (steps + 1) * m.n_columns;
    m.delta = (int32_t *)(uintptr_t)t->delta, m.n_delta = steps * m.n_services;
    m.action = (int32_t *)(uintptr_t)t->action, m.n_action = steps * m.n_agents * m.choices;
    m.reward = (double *)(uintptr_t)t->reward, m.n_reward = steps * m.n_terms;
    put_team(&m, t);
    return wire_put(out, FRAME_TRAJECTORY_EPISODE, CODEC_TRAJECTORY_LOG_VERSION, &m.base);
}

/* Each of these is there for all agents or not at all. Steps and services multiply to the number of
 * changes, so the product with the agents is the only one that could wrap. */
static enum err check_team(const Karma__TrajectoryEpisode *m, const char *source, size_t steps)
{
    size_t n = 0;
    if (__builtin_mul_overflow(steps * m->n_services, m->n_agents, &n)) {
        log_error("%s: %zu agents are more than any episode has", source, m->n_agents);
        return ERR_FORMAT;
    }
    TRY(wire_expect(source, "roles", m->n_roles, m->n_roles > 0 ? m->n_agents : 0));
    TRY(wire_expect(source, "change", m->n_change, m->n_change > 0 ? n : 0));
    return wire_expect(source, "free_change", m->n_free_change, m->n_free_change > 0 ? n : 0);
}

/* T follows from the changes; everything else must have it, too. The first check keeps the division
 * defined. The division rounds down, and the second check refuses what it left over. Steps, agents
 * and columns are elements of the frame, so two of them multiply without a wrap; choices are a bare
 * number, which may be anything. */
static enum err check_shapes(const Karma__TrajectoryEpisode *m, const char *source)
{
    TRY(wire_expect(source, "services", m->n_services > 0, 1));
    const size_t steps = m->n_delta / m->n_services;
    TRY(wire_expect(source, "delta", m->n_delta, steps * m->n_services));
    TRY(wire_expect(source, "state", m->n_state, (steps + 1) * m->n_columns));
    size_t n_action = 0;
    if (m->choices > INT32_MAX ||
        __builtin_mul_overflow(steps * m->n_agents, (size_t)m->choices, &n_action)) {
        log_error("%s: %u choices of each of %zu agents in %zu steps are more than any episode has",
                  source, m->choices, m->n_agents, steps);
        return ERR_FORMAT;
    }
    TRY(wire_expect(source, "action", m->n_action, n_action));
    TRY(wire_expect(source, "reward", m->n_reward, steps * m->n_terms));
    return check_team(m, source, steps);
}

/* What was read points into the arena. Values are not checked: nothing is computed from them here.
 */
enum err codec_get_trajectory(struct trajectory_episode *t, const void *bytes, size_t n,
                              const char *source, struct arena *arena)
{
    const Karma__TrajectoryEpisode *m =
        (const void *)wire_get(&karma__trajectory_episode__descriptor, bytes, n, source, arena);
    if (m == NULL) {
        return wire_error(arena);
    }
    TRY(check_shapes(m, source));
    *t = (struct trajectory_episode){
        .controller = m->controller,
        .scenario = m->scenario,
        .split = m->split,
        .policy = m->policy,
        .train_seed = m->train_seed,
        .seed = m->seed,
        .cell_digest = m->cell_digest,
        .episode = m->episode,
        .period_s = m->period_s,
        .services = (const char *const *)m->services,
        .columns = (const char *const *)m->columns,
        .agents = (const char *const *)m->agents,
        .terms = (const char *const *)m->terms,
        .n_steps = (int)(m->n_delta / m->n_services),
        .n_services = (int)m->n_services,
        .n_columns = (int)m->n_columns,
        .n_agents = (int)m->n_agents,
        .n_terms = (int)m->n_terms,
        .n_choices = (int)m->choices,
        .state = m->state,
        .delta = m->delta,
        .action = m->action,
        .reward = m->reward,
        .roles = m->n_roles > 0 ? (const char *const *)m->roles : NULL,
        .change = m->n_change > 0 ? m->change : NULL,
        .free_change = m->n_free_change > 0 ? m->free_change : NULL,
        .slo_attainment = m->has_slo_attainment ? m->slo_attainment : NAN,
        .upper_bound = m->has_upper_bound ? m->upper_bound : NAN,
    };
    return ERR_OK;
}
