/* What a serve knows beside its policy: a twin, which predicts effects, and traces, which tell
 * drift. See serve.h. */
#include "core/base/log.h"
#include "core/twin/twin.h"
#include "mpi/jobs/serve.h"

#include <string.h>

/* The twin's own settings are the defaults: it is only asked, not trained in. */
static enum err load_twin(struct serve *s)
{
    struct cfg reader;
    if (s->cfg.twin[0] == '\0') {
        log_warn("no twin is named (twin): no effects are predicted, and drift is judged by the "
                 "distance of states alone");
        return ERR_OK;
    }
    cfg_init(&reader, twin_fields, sizeof s->twin_cfg, &s->arena);
    TRY(cfg_load_text(&reader, "twin", "{}", NULL, 0, &s->twin_cfg));
    s->twin_cfg.file = s->cfg.twin;
    s->twin = ARENA_NEW(&s->arena, 1, struct twin_model);
    TRY(arena_error(&s->arena));
    TRY(model_load(s->twin, &s->arena, &s->twin_cfg, s->cfg.twin));
    TRY(twin_check(s->twin, &s->x.env_setup.topology, &s->x.cfg.plant, s->cfg.twin));
    return effect_init(&s->effect, &s->arena, s->twin, &s->x.env_setup.topology, &s->x.cfg.plant);
}

/* Does a service call the same services, in the same order? */
static bool same_calls(const struct service_cfg *a, const struct service_cfg *b)
{
    bool same = a->n_calls == b->n_calls && a->n_async == b->n_async;
    for (int i = 0; same && i < a->n_calls; i++) {
        same = strcmp(a->calls[i], b->calls[i]) == 0;
    }
    for (int i = 0; same && i < a->n_async; i++) {
        same = strcmp(a->async[i], b->async[i]) == 0;
    }
    return same;
}

/* No column of a state tells whom a service calls. A store of recorded tables need not know it. */
static enum err warn_of_calls(struct serve *s, const struct store *store)
{
    struct cfg reader;
    struct topology_cfg there;
    const struct topology_cfg *here = s->x.env_setup.topology.cfg;
    if (store->header.topology == NULL || store->header.topology[0] == '\0') {
        return ERR_OK;
    }
    cfg_init(&reader, topology_fields, sizeof there, &s->scratch);
    TRY(cfg_load_text(&reader, store->path, store->header.topology, NULL, 0, &there));
    for (int i = 0; i < here->n_services && i < there.n_services; i++) {
        if (!same_calls(&here->services[i], &there.services[i])) {
            log_warn("%s: service '%s' calls other services there than in the topology of the "
                     "policy: either the policy or the traces are of another application",
                     store->path, here->services[i].name);
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* A store of other columns says nothing of these states. */
static enum err check_store(const struct serve *s, const struct store *store)
{
    const struct topology *t = &s->x.env_setup.topology;
    bool same = store->header.n_columns == state_size(t->n_services) &&
                store->header.n_services == t->n_services;
    for (int i = 0; same && i < t->n_services; i++) {
        same = strcmp(store->header.services[i], t->cfg->services[i].name) == 0;
    }
    const double period_s = s->x.cfg.plant.period_s;
    if (same && (store->header.period_s < period_s || store->header.period_s > period_s)) {
        log_warn("%s: its decision period is %g s, and plant.period_s is %g s: drift is judged by "
                 "states of the other period",
                 store->path, store->header.period_s, period_s);
    }
    if (same) {
        return ERR_OK;
    }
    log_error("%s: its states have not the services and columns of the policy; give the store that "
              "the policy's twin was fitted to, with --set traces=FILE",
              store->path);
    return ERR_MISMATCH;
}

static enum err fit_drift(struct serve *s)
{
    const char *path = s->cfg.traces;
    struct store store;
    if (path[0] == '\0' && s->cfg.twin[0] != '\0') {
        TRY(model_find_traces(&path, &s->arena, s->cfg.twin));
    }
    if (path[0] == '\0') {
        log_warn("no traces are named (traces): drift is not detected, so the rule decides only "
                 "where inputs of the policy are unknown; %s",
                 s->cfg.stage == STAGE_SHADOW ? "the other stages need them"
                                              : "name a store with --set traces=FILE");
        return s->cfg.stage == STAGE_SHADOW ? ERR_OK : ERR_CONFIG;
    }
    uint8_t *wanted = ARENA_NEW(&s->arena, state_size(s->x.env_setup.topology.n_services), uint8_t);
    TRY(arena_error(&s->arena));
    serve_mark_policy(wanted, s);
    TRY(store_open(&store, &s->arena, path));
    const struct arena_mark mark = arena_mark(&s->scratch);
    enum err e = check_store(s, &store);
    e = e == ERR_OK ? warn_of_calls(s, &store) : e;
    arena_rewind(&s->scratch, mark);
    if (e == ERR_OK) {
        e = drift_fit(&s->drift, &s->arena, &store, wanted, s->cfg.fallback.quantile, &s->scratch);
    }
    store_close(&store);
    s->has_drift = e == ERR_OK;
    return e;
}

enum err serve_begin(struct serve *s)
{
    TRY(load_twin(s));
    return fit_drift(s);
}
