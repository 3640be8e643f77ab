/* What an agent of Rlad-core measures, chooses and pays. See rlad_interface.h. */
#include "core/methods/rlad_interface.h"

#include "core/base/minmax.h"
#include "core/plant/schema.h"
#include "core/plant/topology.h"

#include <string.h>

/* What a team remembers of an episode. */
struct memory {
    struct place {
        int replicas, bin, choice; /* replicas 0: there was no decision yet */
        float unknown;             /* cost measured since */
    } * before;                    /* (n_services) */
};

static const struct rlad_interface *self(const struct interface *i)
{
    return (const struct rlad_interface *)(const void *)i;
}

static enum err memory_new(void **out, struct arena *arena, const struct interface *i)
{
    struct memory *m = ARENA_NEW(arena, 1, struct memory);
    TRY(arena_error(arena));
    m->before = ARENA_NEW(arena, self(i)->n_services, struct place);
    *out = m;
    return arena_error(arena);
}

static void begin(void *memory, const struct interface *i, const struct episode_id *id,
                  uint32_t gid)
{
    struct memory *m = memory;
    (void)id;
    (void)gid;
    memset(m->before, 0, (size_t)self(i)->n_services * sizeof *m->before);
}

/* All that is needed of a state stands in it. */
static void observe(void *memory, const struct interface *i, const struct sight *sight)
{
    (void)memory;
    (void)i;
    (void)sight;
}

static float of(const struct sight *sight, int service, enum service_feature f)
{
    return sight->state[state_service_at(service, f)];
}

/* Within its bounds, which a plant does not leave. */
static int replicas_of(const struct rlad_interface *r, const struct sight *sight, int s)
{
    const struct rlad_service *v = &r->services[s];
    const int k = (int)of(sight, s, SF_DESIRED);
    return k < v->least ? v->least : int_min(k, v->most);
}

static int bin_of(const struct sight *sight, int s)
{
    return rlad_bin((double)of(sight, s, SF_UTIL_10S));
}

static void global_state(float *out, uint32_t *mask, const void *memory, const struct interface *i,
                         const struct sight *sight)
{
    const struct rlad_interface *r = self(i);
    const struct memory *m = memory;
    for (int s = 0; s < r->n_services; s++, out += RLAD_COLUMNS) {
        const struct place *b = &m->before[s];
        const int k = replicas_of(r, sight, s);
        out[RLAD_REPLICAS] = (float)k;
        out[RLAD_BIN] = (float)bin_of(sight, s);
        out[RLAD_REPLICAS_BEFORE] = (float)b->replicas;
        out[RLAD_BIN_BEFORE] = (float)b->bin;
        out[RLAD_CHOICE] = (float)b->choice;
        out[RLAD_UNKNOWN_COST] = b->unknown;
        mask[s] = (k > r->services[s].least ? 1U : 0U) | 1U << RLAD_NO_CHANGE |
                  (k < r->services[s].most ? 1U << (RLAD_NO_CHANGE + 1) : 0U);
    }
}

static void apply(struct game_move *move, void *memory, const struct interface *i,
                  const struct sight *sight, const int32_t *action)
{
    const struct rlad_interface *r = self(i);
    struct memory *m = memory;
    for (int s = 0; s < r->n_services; s++) {
        m->before[s] = (struct place){
            .replicas = replicas_of(r, sight, s), .bin = bin_of(sight, s), .choice = action[s]};
        move->delta[s] = action[s] - RLAD_NO_CHANGE;
    }
}

static bool is_late(const struct rlad_interface *r, const struct sight *sight, int s)
{
    const bool silent = of(sight, s, SF_RECEIVED) > 0.0F && of(sight, s, SF_SUCCEEDED) <= 0.0F;
    return silent || (double)of(sight, s, SF_LATENCY_10S) > r->response_max_ms[s];
}

/* achieved = reward + cost_weight cost */
static double unknown_cost(const struct rlad_interface *r, const struct sight *sight,
                           const struct reward_terms *terms, int s)
{
    if (r->cfg->reward == RLAD_KARMA) {
        return 1.0 - reward_at(terms, r->env_setup->cfg.plant, 0.0);
    }
    return is_late(r, sight, s) ? r->cfg->lateness : 0.0;
}

static void reward(float *out, void *memory, const struct interface *i, const struct sight *sight,
                   const struct reward_terms *terms)
{
    const struct rlad_interface *r = self(i);
    struct memory *m = memory;
    for (int s = 0; s < r->n_services; s++) {
        const double unknown = unknown_cost(r, sight, terms, s);
        const double known = r->services[s].replica_cost * replicas_of(r, sight, s);
        m->before[s].unknown = (float)unknown;
        out[s] = (float)(r->cfg->reward == RLAD_KARMA ? terms->reward : -(known + unknown));
    }
}

static const struct interface_ops ops = {
    .name = "rlad",
    .memory = memory_new,
    .begin = begin,
    .observe = observe,
    .global_state = global_state,
    .apply = apply,
    .reward = reward,
};

/* ---- shapes ---- */

static void obs(const void *ctx, float *out, int agent, const float *global_state_row)
{
    (void)ctx;
    memcpy(out, global_state_row + agent * RLAD_COLUMNS, 2 * sizeof *out);
}

static void critic(const void *ctx, float *out, const float *global_state_row)
{
    const struct rlad_interface *r = ctx;
    for (int s = 0; s < r->n_services; s++) {
        obs(ctx, out + 2 * s, s, global_state_row);
    }
}

static double replica_cost(const struct rlad_cfg *cfg, const struct env_setup *w,
                           const struct service_cfg *s)
{
    if (cfg->reward == RLAD_KARMA) {
        return w->cfg.plant->cost_weight * s->cpu_m / w->cfg.topology->node_cpu_m;
    }
    return cfg->resources / s->max_replicas;
}

static enum err init_services(struct rlad_interface *r, struct arena *arena)
{
    const struct env_setup *w = r->env_setup;
    struct rlad_service *services = ARENA_NEW(arena, r->n_services, struct rlad_service);
    double *response_max_ms = ARENA_NEW(arena, r->n_services, double);
    int *levels = ARENA_NEW(arena, r->n_services, int);
    TRY(arena_error(arena));
    const int depth = topology_levels(levels, &w->topology);
    for (int i = 0; i < r->n_services; i++) {
        const struct service_cfg *s = &w->cfg.topology->services[i];
        services[i] = (struct rlad_service){.least = s->min_replicas,
                                            .most = s->max_replicas,
                                            .replica_cost = replica_cost(r->cfg, w, s)};
        response_max_ms[i] = w->cfg.plant->latency_max_ms * levels[i] / depth;
    }
    r->services = services;
    r->response_max_ms = response_max_ms;
    return ERR_OK;
}

/* The bounds stand in a name, because a table fits no others: a policy is refused with it. */
static enum err init_names(struct rlad_interface *r, struct arena *arena)
{
    static const char *const names[RLAD_COLUMNS] = {"replicas",        "utilisation bin",
                                                    "replicas before", "utilisation bin before",
                                                    "choice",          "unknown cost"};
    const char **agents = ARENA_NEW(arena, r->n_services, const char *);
    const char **columns = ARENA_NEW(arena, r->n_services * RLAD_COLUMNS, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < r->n_services * RLAD_COLUMNS; i++) {
        const int s = i / RLAD_COLUMNS;
        agents[s] = r->env_setup->cfg.topology->services[s].name;
        columns[i] = i % RLAD_COLUMNS == RLAD_REPLICAS
                         ? arena_printf(arena, "%s.%s of %d to %d", agents[s], names[RLAD_REPLICAS],
                                        r->services[s].least, r->services[s].most)
                         : arena_printf(arena, "%s.%s", agents[s], names[i % RLAD_COLUMNS]);
    }
    r->spec.agent_names = agents;
    r->columns = columns;
    return arena_error(arena);
}

enum err rlad_interface_init(struct rlad_interface *r, struct arena *arena,
                             const struct rlad_cfg *cfg, const struct env_setup *env_setup)
{
    const int n = env_setup->topology.n_services;
    *r = (struct rlad_interface){.interface = {.ops = &ops, .spec = &r->spec},
                                 .spec = {.name = "rlad",
                                          .n_agents = n,
                                          .n_global_state = n * RLAD_COLUMNS,
                                          .n_norm = n * RLAD_COLUMNS,
                                          .n_obs = 2,
                                          .n_critic = 2 * n,
                                          .n_factors = 1,
                                          .n_choices = RLAD_CHOICES,
                                          .ctx = r,
                                          .obs = obs,
                                          .critic = critic},
                                 .cfg = cfg,
                                 .env_setup = env_setup,
                                 .n_services = n};
    TRY(init_services(r, arena));
    return init_names(r, arena);
}

void rlad_interface_reads(uint8_t *columns, const struct rlad_interface *r)
{
    static const enum service_feature always[] = {SF_DESIRED, SF_UTIL_10S};
    static const enum service_feature late[] = {SF_LATENCY_10S, SF_RECEIVED, SF_SUCCEEDED};
    for (int s = 0; s < r->n_services; s++) {
        for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
            columns[state_service_at(s, always[i])] = 1;
        }
        for (size_t i = 0; r->cfg->reward == RLAD_OWN && i < sizeof late / sizeof *late; i++) {
            columns[state_service_at(s, late[i])] = 1;
        }
    }
}
