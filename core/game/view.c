/* The global state, and what agents see of it: pure functions of a (normalised) global state.
 *
 *     global  state | history | rates | change age | last actions | norms | masks of all | cost
 *     obs     observed states | rates | age / 600 | own last action | own norms | own mask | cost
 *     critic  observed states | rates | age / 600 | all last actions | all norms | masks | cost
 *
 * A mask has 1 + 2 S columns: mask active, services that may grow, services that may shrink. The
 * rank that learns rebuilds observations from global states by the same functions as the rank that
 * simulates, so both feed the networks the same bits. A policy cannot tell what it is not shown
 * from a mean: hidden columns are 0 after normalisation. */
#include "core/game/rules_parts.h"

#include <string.h>

/* ---- its parts ---- */

/* Each of the next functions returns the first column of its part: the start of the part before,
 * plus its width. Everything before view_change_age() is states and rates, and is normalised. */
int view_frames(const struct rules *r)
{
    return r->cfg->obs.stack;
}

int view_history(const struct rules *r)
{
    return r->n_state;
}

int view_rates(const struct rules *r)
{
    return view_history(r) + (view_frames(r) - 1) * r->n_obs_state;
}

int view_change_age(const struct rules *r)
{
    return view_rates(r) + r->cfg->obs.n_rates;
}

int view_last_action(const struct rules *r)
{
    return view_change_age(r) + r->n_services;
}

int view_norms(const struct rules *r)
{
    return view_last_action(r) + r->n_last_action * r->spec.n_agents;
}

static int count_norms(const struct rules *r)
{
    return r->guides == NULL ? 0 : r->guides->org.cfg->n_norms;
}

/* mask active, may grow, may shrink: of one agent. */
static int guidance_columns(const struct rules *r)
{
    return r->guides == NULL ? 0 : 1 + 2 * r->n_services;
}

static int view_guidance(const struct rules *r, int agent)
{
    return view_norms(r) + count_norms(r) + agent * guidance_columns(r);
}

/* The cost weight stands last, where there is one. */
int view_cost(const struct rules *r)
{
    return view_guidance(r, r->spec.n_agents);
}

/* Bit d + alpha of `allowed` is the change d and `none` is the bit of no change. Lower bits shrink
 * the service; a number beyond none | (none - 1), which is all bits up to `none`, has a bit that
 * enlarges it. */
void view_put_organisation(float *out, const struct rules *r, const struct rules_memory *m)
{
    if (r->guides == NULL) {
        return;
    }
    const uint32_t none = UINT32_C(1) << r->guides->alpha;
    for (int i = 0; i < count_norms(r); i++) {
        *out++ = m->guides.in_force[i] != 0 ? 1.0F : 0.0F;
    }
    for (int a = 0; a < r->spec.n_agents; a++) {
        const uint32_t *allowed = guides_allowed(&m->guides, r->guides, r->guide_of[a]);
        *out++ = m->mask_active[a] != 0 ? 1.0F : 0.0F;
        for (int s = 0; s < r->n_services; s++) {
            *out++ = allowed[s] > (none | (none - 1)) ? 1.0F : 0.0F;
        }
        for (int s = 0; s < r->n_services; s++) {
            *out++ = (allowed[s] & (none - 1)) != 0 ? 1.0F : 0.0F;
        }
    }
}

/* ---- observations ---- */

/* All put_ functions return where the next part begins. The newest state is picked out of the
 * plant's state; the older ones were stored as observed columns (remember_frame()) and are already
 * in that order. sight (n_obs_state); NULL: everything. */
static float *put_frames(float *out, const struct rules *r, const float *global_state,
                         const uint8_t *sight)
{
    const float *history = global_state + view_history(r);
    for (int i = 0; i < r->n_obs_state; i++) {
        *out++ = sight == NULL || sight[i] != 0 ? global_state[r->obs_from[i]] : 0.0F;
    }
    for (int k = 1; k < view_frames(r); k++) {
        for (int i = 0; i < r->n_obs_state; i++, history++) {
            *out++ = sight == NULL || sight[i] != 0 ? *history : 0.0F;
        }
    }
    for (int i = 0; i < r->cfg->obs.n_rates; i++) {
        *out++ = global_state[view_rates(r) + i];
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = global_state[view_change_age(r) + s] / (float)RULES_CHANGE_AGE_MAX_S;
    }
    return out;
}

/* Previous action of one agent: one-hot of the service, and the change; or all changes. A service's
 * number is a small integer, which a float holds exactly; -1 matches none and leaves the one-hot 0.
 */
static float *put_last_action(float *out, const struct rules *r, const float *global_state,
                              int agent)
{
    const float *last = global_state + view_last_action(r) + r->n_last_action * agent;
    if (operates_all(r)) {
        memcpy(out, last, (size_t)r->n_last_action * sizeof *out);
        return out + r->n_last_action;
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = last[0] == (float)s ? 1.0F : 0.0F;
    }
    *out++ = last[1];
    return out;
}

static float *put_guidance(float *out, const struct rules *r, const float *global_state, int agent)
{
    const int n = guidance_columns(r);
    memcpy(out, global_state + view_guidance(r, agent), (size_t)n * sizeof *out);
    return out + n;
}

/* agent -1: the norms of all. */
static float *put_norms(float *out, const struct rules *r, const float *global_state, int agent)
{
    for (int i = 0; i < count_norms(r); i++) {
        const bool own = agent < 0 || org_norm_binds(&r->guides->org, i, r->guide_of[agent]);
        *out++ = own ? global_state[view_norms(r) + i] : 0.0F;
    }
    return out;
}

static void put_cost(float *out, const struct rules *r, const float *global_state)
{
    if (r->cost.kind == COST_CONDITIONED) {
        *out = global_state[view_cost(r)];
    }
}

static void view_obs(const void *ctx, float *obs, int agent, const float *global_state)
{
    const struct rules *r = ctx;
    const uint8_t *sight = r->sight == NULL ? NULL : r->sight + agent * r->n_obs_state;
    obs = put_last_action(put_frames(obs, r, global_state, sight), r, global_state, agent);
    obs = put_guidance(put_norms(obs, r, global_state, agent), r, global_state, agent);
    put_cost(obs, r, global_state);
}

static void view_critic(const void *ctx, float *out, const float *global_state)
{
    const struct rules *r = ctx;
    out = put_frames(out, r, global_state, NULL);
    for (int a = 0; a < r->spec.n_agents; a++) {
        out = put_last_action(out, r, global_state, a);
    }
    out = put_norms(out, r, global_state, -1);
    for (int a = 0; a < r->spec.n_agents; a++) {
        out = put_guidance(out, r, global_state, a);
    }
    put_cost(out, r, global_state);
}

/* Observations and the critic's view begin with the columns of the states. */
bool rules_input_unknown(const struct rules *r, int i)
{
    const int n = view_frames(r) * r->n_obs_state;
    return r->env_setup->unknown != NULL && i < n &&
           r->env_setup->unknown[r->obs_from[i % r->n_obs_state]] != 0;
}

/* ---- building ---- */

/* The columns that a policy may see (feature_info.obs), in the order of the state. */
static enum err init_columns(struct rules *r, struct arena *arena)
{
    int *from = ARENA_NEW(arena, r->n_state, int);
    TRY(arena_error(arena));
    int n = 0;
    for (int s = 0; s < r->n_services; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            if (service_feature_info[f].obs) {
                from[n++] = state_service_at(s, (enum service_feature)f);
            }
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        if (global_feature_info[f].obs) {
            from[n++] = state_global_at(r->n_services, (enum global_feature)f);
        }
    }
    r->obs_from = from;
    r->n_obs_state = n;
    return ERR_OK;
}

/* Pods are what an action changes: every role sees them. */
static void see_pods(uint8_t *columns, const struct rules *r)
{
    static const enum service_feature pods[] = {SF_DEPLOYED, SF_DESIRED, SF_READY};
    for (int s = 0; s < r->n_services; s++) {
        for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
            columns[state_service_at(s, pods[i])] = 1;
        }
    }
}

/* Marks columns of the state for each agent, then keeps those that a policy may see at all. */
static enum err init_sight(struct rules *r, struct arena *arena)
{
    uint8_t *sight = ARENA_NEW(arena, r->spec.n_agents * r->n_obs_state, uint8_t);
    uint8_t *columns = ARENA_NEW(arena, r->n_state, uint8_t);
    TRY(arena_error(arena));
    for (int a = 0; a < r->spec.n_agents; a++) {
        memset(columns, 0, (size_t)r->n_state);
        see_pods(columns, r);
        guides_reads(columns, r->guides, r->guide_of[a]);
        for (int i = 0; i < r->n_obs_state; i++) {
            sight[a * r->n_obs_state + i] = columns[r->obs_from[i]];
        }
    }
    r->sight = sight;
    return ERR_OK;
}

/* The widths must be those that view_obs() and view_critic() write; the critic sees norms once, and
 * the parts of all agents. */
enum err view_init(struct rules *r, struct arena *arena)
{
    struct team_spec *spec = &r->spec;
    TRY(init_columns(r, arena));
    if (r->cfg->obs.view == OBS_ROLE) {
        TRY(init_sight(r, arena));
    }
    const int n_seen_last_action =
        operates_all(r) ? r->n_services : r->n_services + 1; /* put_last_action() */
    const int n_frames =
        view_frames(r) * r->n_obs_state + r->cfg->obs.n_rates + r->n_services; /* put_frames() */
    const int n_org = count_norms(r) + guidance_columns(r);
    spec->n_norm = view_change_age(r);
    spec->n_global_state = view_guidance(r, spec->n_agents);
    spec->n_obs = n_frames + n_seen_last_action + n_org;
    spec->n_critic =
        n_frames + spec->n_agents * (n_seen_last_action + guidance_columns(r)) + count_norms(r);
    spec->ctx = r;
    spec->obs = view_obs;
    spec->critic = view_critic;
    return ERR_OK;
}

/* ---- names ---- */

static void name_state(const char **names, const struct rules *r, struct arena *arena)
{
    for (int s = 0; s < r->n_services; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            names[state_service_at(s, (enum service_feature)f)] =
                arena_printf(arena, "%s.%s", service_of(r, s)->name, service_feature_info[f].name);
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        names[state_global_at(r->n_services, (enum global_feature)f)] = global_feature_info[f].name;
    }
}

/* Column k of the history is observed column k % n of the state 1 + k / n decisions ago. The
 * state's names stand first, so those of the history can be made from them. */
const char *const *rules_columns(const struct rules *r, struct arena *arena)
{
    const int n = r->spec.n_norm;
    const char **names = ARENA_NEW(arena, n, const char *);
    if (names == NULL) {
        return NULL;
    }
    name_state(names, r, arena);
    for (int i = 0; i < r->cfg->obs.n_rates; i++) {
        names[view_rates(r) + i] =
            arena_printf(arena, "entry, half-life %g s", r->cfg->obs.rates[i]);
    }
    for (int i = view_history(r); i < view_rates(r); i++) {
        const int k = i - view_history(r);
        const char *now = names[r->obs_from[k % r->n_obs_state]];
        names[i] =
            now == NULL ? NULL : arena_printf(arena, "%s, %d before", now, 1 + k / r->n_obs_state);
    }
    for (int i = 0; i < n; i++) {
        if (names[i] == NULL) {
            return NULL;
        }
    }
    return names;
}

/* In the order of view_obs(). */
static void name_inputs(const char **out, const struct rules *r, const char *const *columns,
                        struct arena *arena)
{
    const struct service_cfg *services = r->env_setup->cfg.topology->services;
    const char *const *end = out + r->spec.n_obs;
    for (int i = 0; i < r->n_obs_state; i++) {
        *out++ = columns[r->obs_from[i]];
    }
    for (int i = view_history(r); i < view_change_age(r); i++) {
        *out++ = columns[i];
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = arena_printf(arena, "%s: time since its change", services[s].name);
    }
    for (int s = 0; s < r->n_services; s++) {
        *out++ = arena_printf(arena,
                              operates_all(r) ? "own last change of %s" : "own last choice was %s",
                              services[s].name);
    }
    if (!operates_all(r)) {
        *out++ = "own last change";
    }
    for (int i = 0; i < count_norms(r); i++) {
        *out++ = arena_printf(arena, "norm %d in force", i);
    }
    for (int i = 0; i < guidance_columns(r); i++) {
        const int s = (i - 1) % r->n_services;
        *out++ = i == 0
                     ? "mask active"
                     : arena_printf(arena, i <= r->n_services ? "may enlarge %s" : "may shrink %s",
                                    services[s].name);
    }
    if (r->cost.kind == COST_CONDITIONED) {
        *out++ = "cost weight";
    }
    CHECK(out == end);
}

const char *const *rules_inputs(const struct rules *r, struct arena *arena)
{
    const char *const *columns = rules_columns(r, arena);
    const char **names = ARENA_NEW(arena, r->spec.n_obs, const char *);
    if (columns == NULL || names == NULL) {
        return NULL;
    }
    name_inputs(names, r, columns, arena);
    return arena_error(arena) == ERR_OK ? names : NULL;
}
