/* Lists of policies, joined by the names of their controllers. See recorded.h. */
#include "mpi/jobs/recorded.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/trained.h"
#include "mpi/jobs/eval_config.h"
#include "mpi/jobs/policies.h"

#include <string.h>

enum err recorded_config(const char **path, struct arena *arena, const char *run,
                         const char *option)
{
    const char *slash = strrchr(run, '/');
    const char *dir = file_is_dir(run) ? run
                      : slash == NULL  ? "."
                                       : arena_printf(arena, "%.*s", (int)(slash - run), run);
    TRY(arena_error(arena));
    if (!eval_config_exists(dir)) {
        log_error("%s has no config.yaml, in which karma eval keeps the configuration of what it "
                  "played; name that configuration with %s",
                  dir, option);
        return ERR_USAGE;
    }
    *path = eval_config_path(arena, dir);
    return arena_error(arena);
}

static struct controller_cfg *find(struct experiment *x, const char *label)
{
    for (int c = 0; c < x->cfg.eval.n_controllers; c++) {
        if (strcmp(controller_label(&x->cfg.eval.controllers[c]), label) == 0) {
            return &x->cfg.eval.controllers[c];
        }
    }
    return NULL;
}

/* A copy of the controller whose policies are those of `old` (NULL: none), then its own, which
 * stand beside `path`. Seeds and settings of trainings stay those of the copied one: they are
 * checked for the number of its policies only, so they are left out. */
static enum err join(struct controller_cfg *out, struct experiment *x,
                     const struct controller_cfg *old, const struct controller_cfg *own,
                     const char *path)
{
    struct arena *arena = &x->arena;
    const struct cfg_one *method = &own->method;
    const struct trained_cfg *before = old != NULL ? controller_trained(old) : NULL;
    struct trained_cfg *params = arena_alloc(arena, 1, method->kind->size);
    TRY(arena_error(arena));
    memcpy(params, method->params, method->kind->size);
    const int n_before = before != NULL ? before->n_policies : 0;
    const char **all = ARENA_NEW(arena, n_before + params->n_policies, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < n_before; i++) {
        all[i] = before->policies[i];
    }
    for (int i = 0; i < params->n_policies; i++) {
        all[n_before + i] = policies_run(arena, path, params->policies[i]);
    }
    params->policies = all;
    params->n_policies += n_before;
    params->n_seeds = 0;
    *out = *own;
    out->method.params = params;
    return arena_error(arena);
}

static enum err append(struct experiment *x, const struct controller_cfg *own, const char *path)
{
    const int n = x->cfg.eval.n_controllers;
    struct controller_cfg *all = ARENA_NEW(&x->arena, n + 1, struct controller_cfg);
    TRY(arena_error(&x->arena));
    memcpy(all, x->cfg.eval.controllers, (size_t)n * sizeof *all);
    TRY(join(&all[n], x, NULL, own, path));
    x->cfg.eval.controllers = all;
    x->cfg.eval.n_controllers = n + 1;
    return ERR_OK;
}

static enum err add_run(struct experiment *x, const char *path)
{
    struct experiment_cfg other;
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof other, &x->arena);
    TRY(cfg_load(&reader, path, NULL, 0, &other));
    for (int c = 0; c < other.eval.n_controllers; c++) {
        const struct controller_cfg *own = &other.eval.controllers[c];
        struct controller_cfg *old = find(x, controller_label(own));
        if (controller_trained(own) == NULL) {
            continue;
        }
        TRY(old == NULL                       ? append(x, own, path)
            : controller_trained(old) != NULL ? join(old, x, old, own, path)
                                              : ERR_OK);
    }
    return ERR_OK;
}

enum err recorded_join(struct experiment *x, const char *const *runs, int n_runs,
                       const char *option)
{
    for (int i = 1; i < n_runs; i++) {
        const char *path;
        TRY(recorded_config(&path, &x->arena, runs[i], option));
        TRY(add_run(x, path));
    }
    return ERR_OK;
}
