/* Gym-HPA as a method of training: its interface, and PPO with the defaults of its library
 * (Stable-Baselines3) as one agent's MAPPO. See gym_hpa.h. */
#include "core/methods/gym_hpa.h"

#include "core/marl/mappo_learner.h"
#include "core/methods/kinds.h"
#include "core/plant/schema.h"

#include <math.h>
#include <string.h>

enum goal { GOAL_COST, GOAL_LATENCY };
enum reward_of { REWARD_OWN, REWARD_KARMA };

struct ppo_cfg {
    int *hidden, n_hidden; /* of the actor and of the critic */
    double lr;
    int batch, epochs;
    double gamma, lambda, clip, entropy, grad_norm;
    bool normalise_values;
};

struct gym_hpa_params {
    int goal;   /* enum goal */
    int reward; /* enum reward_of */
    double target, latency_cap_ms;
    bool normalise;
    struct ppo_cfg ppo;
};

/* One in each environment set-up. */
struct gym_hpa {
    struct interface interface; /* first */
    struct team_spec spec;
    const struct gym_hpa_params *params;
    const struct env_setup *env_setup;
    int n_services;
    struct team_cfg team;
    struct mappo_cfg mappo;
};

static const struct gym_hpa *self(const struct interface *i)
{
    return (const struct gym_hpa *)(const void *)i;
}

/* ---- its rule and its moves ---- */

/* Moves 0 .. MOST add so many pods, MOST + 1 .. 2 MOST remove 1 .. MOST. */
int gym_hpa_change(int move)
{
    return move <= GYM_HPA_MOST ? move : GYM_HPA_MOST - move;
}

/* Pods that carry the usage at the target. Targets are whole numbers, and one of 0 would divide by
 * zero. */
static double replicas_for(double usage, double target, double request)
{
    const double whole = floor(target * request);
    return ceil(usage / (whole > 1.0 ? whole : 1.0));
}

int gym_hpa_desired(const struct service_cfg *service, double target, double cpu_m, double ram_mib)
{
    static const double CPU_WEIGHT = 0.7, RAM_WEIGHT = 0.3;
    const double wanted = ceil(CPU_WEIGHT * replicas_for(cpu_m, target, service->cpu_m) +
                               RAM_WEIGHT * replicas_for(ram_mib, target, service->ram_mib));
    const double most = service->max_replicas;
    return (int)(wanted < 1.0 ? 1.0 : wanted > most ? most : wanted);
}

/* ---- the interface ---- */

enum stat { STAT_OWN_REWARD, STAT_AT_DESIRED, STAT_VIOLATIONS, STATS };
static const char *const stat_names[STATS] = {"gym_hpa.own_reward", "gym_hpa.at_desired",
                                              "gym_hpa.violations"};

/* What the agent remembers of an episode. */
struct memory {
    float *seen; /* (n_services, GYM_HPA_SEEN) of the current state */
    bool violated;
    int n_steps;
    double sums[STATS];
};

static enum err gym_hpa_memory(void **out, struct arena *arena, const struct interface *i)
{
    struct memory *m = ARENA_NEW(arena, 1, struct memory);
    TRY(arena_error(arena));
    m->seen = ARENA_NEW(arena, self(i)->n_services * GYM_HPA_SEEN, float);
    TRY(arena_error(arena));
    *out = m;
    return ERR_OK;
}

static void gym_hpa_begin(void *memory, const struct interface *i, const struct episode_id *id,
                          uint32_t gid)
{
    struct memory *m = memory;
    (void)i;
    (void)id;
    (void)gid;
    *m = (struct memory){.seen = m->seen};
}

static float at_most(float x, float most)
{
    return x < most ? x : most;
}

/* The bounds of the observation space: milli-cores, MiB, kbit/s. */
static void gym_hpa_observe(void *memory, const struct interface *i, const struct sight *sight)
{
    static const float CPU_MAX = 10000.0F, RAM_MAX = 10000.0F, TRAFFIC_MAX = 20000.0F;
    const struct gym_hpa *g = self(i);
    struct memory *m = memory;
    for (int s = 0; s < g->n_services; s++) {
        const float *f = sight->state + state_service_at(s, SF_ID);
        float *seen = m->seen + (ptrdiff_t)s * GYM_HPA_SEEN;
        seen[0] = f[SF_DESIRED];
        seen[1] = (float)gym_hpa_desired(&g->env_setup->cfg.topology->services[s],
                                         g->params->target, (double)f[SF_CPU], (double)f[SF_RAM]);
        seen[2] = at_most(f[SF_CPU], CPU_MAX);
        seen[3] = at_most(f[SF_RAM], RAM_MAX);
        seen[4] = at_most(f[SF_NET_IN], TRAFFIC_MAX);
        seen[5] = at_most(f[SF_NET_OUT], TRAFFIC_MAX);
    }
}

/* Both factors have the number of choices of the larger one; those beyond a factor's own are
 * closed. */
static void gym_hpa_global_state(float *global_state, uint32_t *mask, const void *memory,
                                 const struct interface *i, const struct sight *sight)
{
    const struct gym_hpa *g = self(i);
    const int words = env_mask_words(&g->spec), n[2] = {g->n_services, GYM_HPA_MOVES};
    (void)sight;
    memcpy(global_state, ((const struct memory *)memory)->seen,
           (size_t)g->spec.n_global_state * sizeof *global_state);
    memset(mask, 0, (size_t)(2 * words) * sizeof *mask);
    for (int f = 0; f < 2; f++) {
        for (int k = 0; k < n[f]; k++) {
            mask[f * words + k / 32] |= 1U << (k % 32);
        }
    }
}

static void gym_hpa_apply(struct game_move *move, void *memory, const struct interface *i,
                          const struct sight *sight, const int32_t *action)
{
    const struct service_cfg *service = &self(i)->env_setup->cfg.topology->services[action[0]];
    const int desired = (int)sight->state[state_service_at(action[0], SF_DESIRED)];
    const int change = gym_hpa_change(action[1]);
    const int next = desired + change;
    struct memory *m = memory;
    m->violated = change != 0 && (next < service->min_replicas || next > service->max_replicas);
    move->delta[action[0]] = m->violated ? 0 : change;
}

static int count_at_desired(const struct memory *m, int n_services)
{
    int n = 0;
    for (int s = 0; s < n_services; s++) {
        n += m->seen[s * GYM_HPA_SEEN] == m->seen[s * GYM_HPA_SEEN + 1] ? 1 : 0;
    }
    return n;
}

/* Of the goal `cost` the number of services with the replicas that the rule desires, of `latency`
 * the negative response time, cut. A move beyond the bounds gets the penalty of its goal
 * instead. */
static double own_reward(const struct gym_hpa *g, const struct memory *m, double response_ms)
{
    const double cap = g->params->latency_cap_ms;
    if (g->params->goal == GOAL_COST) {
        return m->violated ? -1.0 : (double)count_at_desired(m, g->n_services);
    }
    return m->violated || response_ms > cap ? -cap : -response_ms;
}

static void gym_hpa_reward(float *reward, void *memory, const struct interface *i,
                           const struct sight *sight, const struct reward_terms *terms)
{
    const struct gym_hpa *g = self(i);
    struct memory *m = memory;
    const double own =
        own_reward(g, m, (double)sight->state[state_global_at(g->n_services, GF_RESPONSE)]);
    reward[0] = (float)(g->params->reward == REWARD_OWN ? own : terms->reward);
    m->sums[STAT_OWN_REWARD] += own;
    m->sums[STAT_AT_DESIRED] += count_at_desired(m, g->n_services);
    m->sums[STAT_VIOLATIONS] += m->violated ? 1.0 : 0.0;
    m->n_steps++;
}

/* Means over the decisions. */
static void gym_hpa_finish(double *stats, void *memory, const struct interface *i)
{
    const struct memory *m = memory;
    (void)i;
    for (int k = 0; k < STATS; k++) {
        stats[k] = m->sums[k] / m->n_steps;
    }
}

static const struct interface_ops gym_hpa_ops = {
    .name = "gym_hpa",
    .memory = gym_hpa_memory,
    .begin = gym_hpa_begin,
    .observe = gym_hpa_observe,
    .global_state = gym_hpa_global_state,
    .apply = gym_hpa_apply,
    .reward = gym_hpa_reward,
    .finish = gym_hpa_finish,
};

/* ---- shapes ---- */

/* Actor and critic see the same: all there is. */
static void see_all(const void *ctx, float *out, const float *global_state)
{
    const struct gym_hpa *g = ctx;
    memcpy(out, global_state, (size_t)g->spec.n_obs * sizeof *out);
}

static void agent_sees_all(const void *ctx, float *obs, int agent, const float *global_state)
{
    (void)agent;
    see_all(ctx, obs, global_state);
}

static const char *const *column_names(struct arena *arena, const struct topology_cfg *topology)
{
    static const char *const seen[GYM_HPA_SEEN] = {"pods",   "desired by the rule", "cpu",
                                                   "memory", "received traffic",    "sent traffic"};
    const int n = topology->n_services * GYM_HPA_SEEN;
    const char **names = ARENA_NEW(arena, n, const char *);
    for (int k = 0; names != NULL && k < n; k++) {
        names[k] = arena_printf(arena, "%s.%s", topology->services[k / GYM_HPA_SEEN].name,
                                seen[k % GYM_HPA_SEEN]);
    }
    return names;
}

/* A minibatch is made of whole rollouts of environments (mappo_fields). The batches of the library
 * are drawn without replacement, the last one smaller. */
static int minibatches(const struct method_setup *setup, int batch)
{
    const int n = (setup->n_env * setup->n_steps + batch - 1) / batch;
    return n < setup->n_env ? n : setup->n_env;
}

/* The library's loss of values is the mean square without a cut, times 0.5: the Huber loss whose
 * linear part begins nowhere. Its step size is constant. Speed comes from the section `team`. */
static void set_networks(struct gym_hpa *g, const struct method_setup *setup)
{
    const struct ppo_cfg *p = &g->params->ppo;
    static const double NOWHERE = 1e30;
    g->team = (struct team_cfg){.actor_hidden = p->hidden,
                                .n_actor_hidden = p->n_hidden,
                                .critic_hidden = p->hidden,
                                .n_critic_hidden = p->n_hidden,
                                .activation = ACT_TANH,
                                .critic = CRITIC_CENTRAL,
                                .obs_clip = setup->team->obs_clip,
                                .row_block = setup->team->row_block,
                                .gemm = setup->team->gemm};
    g->mappo = (struct mappo_cfg){.gamma = p->gamma,
                                  .lambda = p->lambda,
                                  .clip = p->clip,
                                  .value_clip = NOWHERE,
                                  .huber_delta = NOWHERE,
                                  .entropy = p->entropy,
                                  .lr = p->lr,
                                  .lr_end = p->lr,
                                  .epochs = p->epochs,
                                  .minibatches = minibatches(setup, p->batch),
                                  .grad_norm = p->grad_norm,
                                  .adam_beta1 = 0.9,
                                  .adam_beta2 = 0.999,
                                  .adam_eps = 1e-5,
                                  .value_beta = 0.9,
                                  .raw_values = !p->normalise_values};
}

static enum err gym_hpa_make(struct method *m, struct arena *arena)
{
    static const char *const agents[] = {"gym_hpa"};
    const struct topology_cfg *topology = m->setup.env_setup->cfg.topology;
    const int n = topology->n_services * GYM_HPA_SEEN;
    const struct gym_hpa_params *params = m->setup.params;
    struct gym_hpa *g = ARENA_NEW(arena, 1, struct gym_hpa);
    m->columns = column_names(arena, topology);
    TRY(arena_error(arena));
    *g = (struct gym_hpa){
        .interface = {.ops = &gym_hpa_ops, .n_stats = STATS, .stat_names = stat_names},
        .spec = {.name = "gym_hpa",
                 .n_agents = 1,
                 .n_global_state = n,
                 .n_norm = params->normalise ? n : 0,
                 .n_obs = n,
                 .n_critic = n,
                 .n_factors = 2,
                 .n_choices =
                     topology->n_services > GYM_HPA_MOVES ? topology->n_services : GYM_HPA_MOVES,
                 .agent_names = agents,
                 .ctx = g,
                 .obs = agent_sees_all,
                 .critic = see_all},
        .params = params,
        .env_setup = m->setup.env_setup,
        .n_services = topology->n_services,
    };
    g->interface.spec = &g->spec;
    set_networks(g, &m->setup);
    m->interface = &g->interface;
    return ERR_OK;
}

static enum err gym_hpa_learner(struct learner **out, struct arena *arena, const struct method *m,
                                int team, bool learns, uint64_t seed, struct arena *scratch)
{
    const struct gym_hpa *g = self(m->interface);
    const struct mappo_plan plan = {.team = &g->team,
                                    .mappo = learns ? &g->mappo : NULL,
                                    .spec = &g->spec,
                                    .number = team,
                                    .section = "method.gym_hpa.ppo"};
    struct mappo_learner *learner;
    TRY(mappo_learner_new(&learner, arena, &plan, seed, scratch));
    *out = &learner->base;
    return ERR_OK;
}

/* ---- the row ---- */

static void gym_hpa_reads(uint8_t *columns, const struct method *m)
{
    static const enum service_feature read[] = {SF_DESIRED, SF_CPU, SF_RAM, SF_NET_IN, SF_NET_OUT};
    const struct gym_hpa *g = self(m->interface);
    for (int s = 0; s < g->n_services; s++) {
        for (size_t k = 0; k < sizeof read / sizeof *read; k++) {
            columns[state_service_at(s, read[k])] = 1;
        }
    }
    if (g->params->goal == GOAL_LATENCY && g->params->reward == REWARD_OWN) {
        columns[state_global_at(g->n_services, GF_RESPONSE)] = 1;
    }
}

static enum err gym_hpa_check(const struct method_setup *setup)
{
    const struct gym_hpa_params *p = setup->params;
    if (p->ppo.batch < setup->n_steps) {
        return cfg_error(setup->src_locs, "method.gym_hpa.ppo.batch",
                         "is %d, but a minibatch holds whole rollouts of environments, which are "
                         "%d decisions long (train.steps); set train.steps to %d or less",
                         p->ppo.batch, setup->n_steps, p->ppo.batch);
    }
    if (setup->group > 1) {
        return cfg_error(setup->src_locs, "train.group",
                         "is %d, but the PPO of gym_hpa knows no groups; set it to 1",
                         setup->group);
    }
    return ERR_OK;
}

static const struct cfg_choice goals[] = {
    {"cost", GOAL_COST, "deployments that have the replicas its rule desires"},
    {"latency", GOAL_LATENCY, "minus the mean response time in ms"},
    {NULL, 0, NULL},
};
static const struct cfg_choice rewards[] = {
    {"own", REWARD_OWN, "that of its goal"},
    {"karma", REWARD_KARMA, "that of KARMA's defenders (plant.reward)"},
    {NULL, 0, NULL},
};

static const struct cfg_field ppo_fields[] = {
    CFG_LIST_INT(struct ppo_cfg, hidden, n_hidden, "[64, 64]", 0, 7, 1, 4096, "", CFG_RESULT,
                 "hidden layers of the actor and of the critic, with tanh"),
    CFG_DOUBLE(struct ppo_cfg, lr, "3e-4", 0, 1, "", CFG_RESULT, "Adam step size"),
    CFG_INT(struct ppo_cfg, batch, "64", 1, 100000000, "decisions", CFG_RESULT,
            "of a minibatch, about: it holds whole rollouts of environments"),
    CFG_INT(struct ppo_cfg, epochs, "10", 1, 1000, "", CFG_RESULT, "passes over a rollout"),
    CFG_DOUBLE(struct ppo_cfg, gamma, "0.99", 0, 1, "", CFG_RESULT, "discount per decision"),
    CFG_DOUBLE(struct ppo_cfg, lambda, "0.95", 0, 1, "", CFG_RESULT, "GAE"),
    CFG_DOUBLE(struct ppo_cfg, clip, "0.2", 0.001, 1, "", CFG_RESULT,
               "cut of the probability ratio"),
    CFG_DOUBLE(struct ppo_cfg, entropy, "0", 0, 10, "", CFG_RESULT, "weight of the entropy"),
    CFG_DOUBLE(struct ppo_cfg, grad_norm, "0.5", 0, 1e9, "", CFG_RESULT,
               "longest gradient of a network, 0 = any"),
    CFG_BOOL(struct ppo_cfg, normalise_values, "false", CFG_RESULT,
             "the critic predicts normalised returns (PopArt), unlike its library's"),
    CFG_END,
};

static const struct cfg_field gym_hpa_fields[] = {
    CFG_ENUM(struct gym_hpa_params, goal, "cost", goals, CFG_RESULT, "what its own reward is for"),
    CFG_ENUM(struct gym_hpa_params, reward, "own", rewards, CFG_RESULT, "what it is paid"),
    CFG_DOUBLE(struct gym_hpa_params, target, "0.75", 0.01, 10, "", CFG_RESULT,
               "of its rule: usage / request"),
    CFG_DOUBLE(struct gym_hpa_params, latency_cap_ms, "3000", 1, 1e9, "ms", CFG_RESULT,
               "largest response time that its reward tells apart"),
    CFG_BOOL(struct gym_hpa_params, normalise, "false", CFG_RESULT,
             "inputs are normalised by their means and deviations, unlike the original's"),
    CFG_TABLE(struct gym_hpa_params, ppo, ppo_fields, "its algorithm"),
    CFG_END,
};

const struct method_kind method_gym_hpa = {
    .cfg = {"gym_hpa", "Gym-HPA: one agent, a deployment at a time, by PPO", gym_hpa_fields,
            sizeof(struct gym_hpa_params)},
    .check = gym_hpa_check,
    .make = gym_hpa_make,
    .learner = gym_hpa_learner,
    .reads = gym_hpa_reads,
};
