/* GAE, backwards in time, one environment and agent after the other, in double. */
#include "core/marl/gae.h"

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

void gae_block(struct block *b, int n_agents, double gamma, double lambda)
{
    for (int e = 0; e < b->n_env; e++) {
        for (int agent = 0; agent < n_agents; agent++) {
            gae_sequence(b, n_agents, e, agent, gamma, lambda);
        }
    }
}
