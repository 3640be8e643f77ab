/* What AWARE's agents see, choose and are paid. See aware_interface.h. */
#include "core/methods/aware_interface.h"

#include "core/base/log.h"
#include "core/base/minmax.h"
#include "core/plant/schema.h"
#include "core/scenario/workload.h"

#include <string.h>

/* What one environment remembers. */
struct memory {
    int32_t *last;                /* (n_services) choices of the period before */
    uint8_t *reversed;            /* (n_services) the last choice took back the one before */
    struct controller *heuristic; /* NULL: there is none */
    int32_t *wanted;              /* (n_services) changes that it wants */
};

static const double VALUE_MAX = 10.0; /* observations are cut here */
/* The publication's greatest limits of a pod. */
static const double CPU_LIMIT_M = 2048.0, MEMORY_LIMIT_MIB = 3072.0;

static const struct aware_interface *self(const struct interface *i)
{
    return (const struct aware_interface *)(const void *)i;
}

/* ---- values ---- */

static double feature(const float *state, int service, enum service_feature f)
{
    return (double)state[state_service_at(service, f)];
}

static double at_most(double x, double limit)
{
    return x < limit ? x : limit;
}

static double at_least_one(double x)
{
    return x > 1.0 ? x : 1.0;
}

static const struct service_cfg *service_of(const struct aware_interface *i, int service)
{
    return &i->env_setup->cfg.topology->services[service];
}

static double cpu_util(const struct aware_interface *i, const float *state, int service)
{
    return feature(state, service, SF_CPU) /
           (at_least_one(feature(state, service, SF_READY)) * service_of(i, service)->cpu_m);
}

static double memory_util(const struct aware_interface *i, const float *state, int service)
{
    const double ram_mib = service_of(i, service)->ram_mib;
    const double pods = at_least_one(feature(state, service, SF_DEPLOYED));
    return ram_mib > 0.0 ? feature(state, service, SF_RAM) / (pods * ram_mib) : 0.0;
}

void aware_observe(float *out, const struct aware_interface *i, const float *state, int service)
{
    const struct service_cfg *s = service_of(i, service);
    const int n_services = i->env_setup->topology.n_services;
    const double lag =
        feature(state, service, SF_QUEUE) / at_least_one(feature(state, service, SF_READY));
    const double values[AWARE_VALUES] = {
        [AWARE_CPU_UTIL] = cpu_util(i, state, service),
        [AWARE_MEMORY_UTIL] = memory_util(i, state, service),
        [AWARE_FILE_DISCOVERY_RATE] =
            (double)state[state_global_at(n_services, GF_ENTRY_30S)] / i->nominal_rps,
        [AWARE_RATE] = 1.0 / (1.0 + lag),
        [AWARE_PROCESSING_RATE] = feature(state, service, SF_SUCCEEDED) / i->nominal_rps,
        [AWARE_INGESTION_RATE] = feature(state, service, SF_RECEIVED) / i->nominal_rps,
        [AWARE_LATENCY] = feature(state, service, SF_LATENCY) / i->objective_ms[service],
        [AWARE_NUM_REPLICAS] = feature(state, service, SF_DESIRED) / s->max_replicas,
        [AWARE_CPU_LIMIT] = s->cpu_m * i->env_setup->cfg.topology->limit_ratio / CPU_LIMIT_M,
        [AWARE_MEMORY_LIMIT] = s->ram_mib / MEMORY_LIMIT_MIB,
    };
    for (int k = 0; k < AWARE_VALUES; k++) {
        out[k] = (float)at_most(values[k], VALUE_MAX);
    }
}

double aware_own_reward(const struct aware_interface *i, const float *state, int service,
                        bool reversed)
{
    const double w = i->cfg->utilisation_weight;
    const double received = feature(state, service, SF_RECEIVED);
    const double latency_ms = feature(state, service, SF_LATENCY);
    const double ru = at_most(cpu_util(i, state, service), 1.0) +
                      0.5 * at_most(memory_util(i, state, service), 1.0);
    const double dp =
        received > 0.0 ? at_most(feature(state, service, SF_SUCCEEDED) / received, 1.0) : 1.0;
    const double slo = latency_ms > 0.0 ? at_most(i->objective_ms[service] / latency_ms, 1.0) : dp;
    return w * ru + (1.0 - w) * (dp + slo) - (reversed ? i->cfg->reversal_penalty : 0.0);
}

void aware_reads(uint8_t *columns, const struct topology *topology)
{
    static const enum service_feature read[] = {SF_CPU,       SF_RAM,   SF_QUEUE,   SF_RECEIVED,
                                                SF_SUCCEEDED, SF_READY, SF_LATENCY, SF_DEPLOYED};
    for (int s = 0; s < topology->n_services; s++) {
        for (size_t k = 0; k < sizeof read / sizeof *read; k++) {
            columns[state_service_at(s, read[k])] = 1;
        }
    }
    columns[state_global_at(topology->n_services, GF_ENTRY_30S)] = 1;
}

/* ---- an episode ---- */

static enum err memory_new(void **out, struct arena *arena, const struct interface *i)
{
    const struct aware_interface *a = self(i);
    const int n = a->spec.n_agents;
    struct memory *m = ARENA_NEW(arena, 1, struct memory);
    TRY(arena_error(arena));
    *m = (struct memory){.last = ARENA_NEW(arena, n, int32_t),
                         .reversed = ARENA_NEW(arena, n, uint8_t),
                         .wanted = ARENA_NEW(arena, n, int32_t)};
    TRY(arena_error(arena));
    if (a->cfg->bootstrap.episodes > 0) {
        const struct controller_setup setup = {
            .label = "method.aware.bootstrap.rule", .env_setup = a->env_setup, .rules = a->rules};
        TRY(controller_rule_new(&m->heuristic, arena, &a->cfg->bootstrap.rule, &setup));
    }
    *out = m;
    return ERR_OK;
}

static void begin(void *memory, const struct interface *i, const struct episode_id *id,
                  uint32_t gid)
{
    struct memory *m = memory;
    const size_t n = (size_t)self(i)->spec.n_agents;
    (void)gid;
    memset(m->last, 0, n * sizeof *m->last);
    memset(m->reversed, 0, n);
    memset(m->wanted, 0, n * sizeof *m->wanted);
    if (m->heuristic != NULL) {
        controller_reset(m->heuristic, id, NULL);
    }
}

static void observe(void *memory, const struct interface *i, const struct sight *sight)
{
    struct memory *m = memory;
    (void)i;
    if (m->heuristic != NULL) {
        controller_act(m->heuristic, m->wanted, sight->state);
    }
}

/* Change of replicas that a choice stands for. */
static int change_of(int choice)
{
    return choice == AWARE_OUT ? 1 : choice == AWARE_IN ? -1 : 0;
}

static bool is_open(const struct aware_interface *a, const float *state, int service, int choice)
{
    const int replicas = controller_desired(state, service) + change_of(choice);
    const struct service_cfg *s = service_of(a, service);
    return choice == AWARE_STAY || (replicas >= s->min_replicas && replicas <= s->max_replicas);
}

static void global_state(float *out, uint32_t *mask, const void *memory, const struct interface *i,
                         const struct sight *sight)
{
    const struct aware_interface *a = self(i);
    const struct memory *m = memory;
    float *heuristic = out + aware_heuristic_at(a);
    for (int s = 0; s < a->spec.n_agents; s++) {
        const int wanted = m->wanted[s] > 0 ? AWARE_OUT : m->wanted[s] < 0 ? AWARE_IN : AWARE_STAY;
        aware_observe(out + (size_t)s * AWARE_VALUES, a, sight->state, s);
        heuristic[s] = (float)(is_open(a, sight->state, s, wanted) ? wanted : AWARE_STAY);
        mask[s] = 0;
        for (int choice = 0; choice < AWARE_CHOICES; choice++) {
            mask[s] |= is_open(a, sight->state, s, choice) ? 1U << choice : 0U;
        }
    }
}

static void apply(struct game_move *move, void *memory, const struct interface *i,
                  const struct sight *sight, const int32_t *action)
{
    struct memory *m = memory;
    (void)sight;
    for (int s = 0; s < self(i)->spec.n_agents; s++) {
        const int change = change_of(action[s]);
        m->reversed[s] = change != 0 && change == -change_of(m->last[s]);
        m->last[s] = action[s];
        move->delta[s] += change;
    }
}

static void reward(float *out, void *memory, const struct interface *i, const struct sight *sight,
                   const struct reward_terms *terms)
{
    const struct aware_interface *a = self(i);
    const struct memory *m = memory;
    for (int s = 0; s < a->spec.n_agents; s++) {
        out[s] = a->cfg->reward == AWARE_REWARD_KARMA
                     ? (float)terms->reward
                     : (float)aware_own_reward(a, sight->state, s, m->reversed[s] != 0);
    }
}

static const struct interface_ops aware_ops = {
    .name = "aware",
    .memory = memory_new,
    .begin = begin,
    .observe = observe,
    .global_state = global_state,
    .apply = apply,
    .reward = reward,
};

/* ---- making one ---- */

static void agent_obs(const void *ctx, float *obs, int agent, const float *row)
{
    (void)ctx;
    memcpy(obs, row + (size_t)agent * AWARE_VALUES, AWARE_VALUES * sizeof *obs);
}

/* What the learner does not ask for: its critic sees what the agent sees. */
static void joint_view(const void *ctx, float *out, const float *row)
{
    const struct aware_interface *a = ctx;
    memcpy(out, row, (size_t)a->spec.n_critic * sizeof *out);
}

static enum err objectives_init(struct aware_interface *i, struct arena *arena)
{
    const struct topology *t = &i->env_setup->topology;
    int *levels = ARENA_NEW(arena, t->n_services, int);
    i->objective_ms = ARENA_NEW(arena, t->n_services, double);
    TRY(arena_error(arena));
    int deepest = 1; /* from an entry: what is called asynchronously may have a longer chain */
    (void)topology_levels(levels, t);
    for (int e = 0; e < t->n_entries; e++) {
        deepest = int_max(deepest, levels[t->entries[e]]);
    }
    for (int s = 0; s < t->n_services; s++) {
        i->objective_ms[s] =
            i->env_setup->cfg.plant->latency_max_ms * (double)int_min(levels[s], deepest) / deepest;
    }
    return ERR_OK;
}

enum err aware_interface_init(struct aware_interface *i, struct arena *arena,
                              const struct aware_cfg *cfg, const struct env_setup *env_setup,
                              const struct rules *rules)
{
    const int n = env_setup->topology.n_services;
    const char **names = ARENA_NEW(arena, n, const char *);
    TRY(arena_error(arena));
    for (int s = 0; s < n; s++) {
        names[s] = env_setup->cfg.topology->services[s].name;
    }
    *i = (struct aware_interface){
        .base = {.ops = &aware_ops, .spec = &i->spec},
        .cfg = cfg,
        .env_setup = env_setup,
        .rules = rules,
        .nominal_rps = env_setup->cfg.workload->mean_rps,
        .spec = {.name = "aware",
                 .n_agents = n,
                 .n_global_state = n * (AWARE_VALUES + 1),
                 .n_obs = AWARE_VALUES,
                 .n_critic = n * AWARE_VALUES,
                 .n_factors = 1,
                 .n_choices = AWARE_CHOICES,
                 .agent_names = names,
                 .ctx = i,
                 .obs = agent_obs,
                 .critic = joint_view},
    };
    return objectives_init(i, arena);
}
