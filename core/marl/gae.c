/* GAE, backwards in time, one environment and agent after the other, in double. */
#include "core/marl/gae.h"

#include <string.h>

/* Value of what follows step t: nothing, the bootstrap, or the next value recorded. */
static double next_value(const struct block *b, int n_agents, int e, int t, int agent)
{
    int row = e * b->n_steps + t;
    switch ((enum env_flag)b->flag[row]) {
    case ENV_TERMINATED:
        return 0.0;
    case ENV_TRUNCATED:
        return (double)b->bootstrap_value[row * n_agents + agent];
    case ENV_RUNNING:
        break;
    }
    return t + 1 < b->n_steps ? (double)b->value[(row + 1) * n_agents + agent]
                              : (double)b->last_value[e * n_agents + agent];
}

static void gae_sequence(struct block *b, int n_agents, int e, int agent, double gamma,
                         double lambda)
{
    double carried = 0.0; /* A_{t+1}, or 0 across the end of an episode */
    for (int t = b->n_steps - 1; t >= 0; t--) {
        int row = e * b->n_steps + t;
        int i = row * n_agents + agent;
        double value = (double)b->value[i];
        double delta = (double)b->reward[i] + gamma * next_value(b, n_agents, e, t, agent) - value;
        if (b->flag[row] != ENV_RUNNING) {
            carried = 0.0;
        }
        carried = delta + gamma * lambda * carried;
        b->advantage[i] = (float)carried;
        b->target[i] = (float)(carried + value);
    }
}

static void check_same_steps(const struct block *b, int first, int group)
{
    const uint8_t *flag = b->flag + first * b->n_steps;
    for (int e = 1; e < group; e++) {
        CHECK(memcmp(flag, flag + e * b->n_steps, (size_t)b->n_steps) == 0);
    }
}

void gae_centre_groups(struct block *b, int n_agents, int group)
{
    const int n = b->n_steps * n_agents; /* of one environment */
    if (group <= 1) {
        return;
    }
    CHECK(b->n_env % group == 0);
    for (int first = 0; first < b->n_env; first += group) {
        float *advantage = b->advantage + (long)first * n;
        check_same_steps(b, first, group);
        for (int i = 0; i < n; i++) {
            double sum = 0.0;
            for (int e = 0; e < group; e++) {
                sum += (double)advantage[(long)e * n + i];
            }
            const double mean = sum / group;
            for (int e = 0; e < group; e++) {
                advantage[(long)e * n + i] = (float)((double)advantage[(long)e * n + i] - mean);
            }
        }
    }
}

void gae_block(struct block *b, int n_agents, double gamma, double lambda)
{
    for (int e = 0; e < b->n_env; e++) {
        for (int agent = 0; agent < n_agents; agent++) {
            gae_sequence(b, n_agents, e, agent, gamma, lambda);
        }
    }
}
