/* The controllers of all runs in one list. See ablate_compared.h.
 *
 * Each run's own configuration is loaded, as for its evaluation, and its controllers are copied
 * from there; of a variant's seeds only the first that is done is loaded, and the directories of
 * the others are added to its policies. */
#include "mpi/jobs/ablate_compared.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/trained.h"

#include <inttypes.h>
#include <string.h>

struct compared {
    const struct ablate_plan *plan;
    struct arena *arena;
    int scenario;
    struct controller_cfg *controllers; /* grows */
    int n, cap;
    struct experiment **loaded; /* (n_loaded): what the controllers point into */
    int n_loaded;
    struct buf left_out;
};

static bool is_of(const struct compared *c, int i)
{
    return c->plan->runs[i].scenario == c->scenario;
}

static bool is_done(const struct compared *c, int i)
{
    return c->plan->lines[i].state == ABLATION_DONE;
}

/* The first run of the same variant in this scenario that is done is the one that is loaded. */
static bool comes_first(const struct compared *c, int i)
{
    for (int j = 0; j < i; j++) {
        if (is_of(c, j) && is_done(c, j) && c->plan->runs[j].variant == c->plan->runs[i].variant) {
            return false;
        }
    }
    return true;
}

static enum err make_room(struct compared *c, int n)
{
    if (c->n + n <= c->cap) {
        return ERR_OK;
    }
    const int cap = 2 * (c->n + n);
    struct controller_cfg *all = ARENA_NEW(c->arena, cap, struct controller_cfg);
    TRY(arena_error(c->arena));
    if (c->n > 0) {
        memcpy(all, c->controllers, (size_t)c->n * sizeof *all);
    }
    c->controllers = all;
    c->cap = cap;
    return ERR_OK;
}

/* Run directories of all seeds of run i's variant that are done, relative to that of the file. */
static enum err all_policies(const char ***policies, int *n, struct compared *c, int i)
{
    const char **all = ARENA_NEW(c->arena, c->plan->n, const char *);
    TRY(arena_error(c->arena));
    *n = 0;
    for (int j = i; j < c->plan->n; j++) {
        if (is_of(c, j) && is_done(c, j) && c->plan->runs[j].variant == c->plan->runs[i].variant) {
            const char *dir = ablation_run_dir(c->arena, "..", &c->plan->lines[j]);
            TRY(arena_error(c->arena));
            all[(*n)++] = file_join(c->arena, dir, "training");
        }
    }
    *policies = all;
    return arena_error(c->arena);
}

static enum err with_policies(struct controller_cfg *controller, struct compared *c, int i)
{
    const struct cfg_one *method = &controller->method;
    struct trained_cfg *params = arena_alloc(c->arena, 1, method->kind->size);
    TRY(arena_error(c->arena));
    memcpy(params, method->params, method->kind->size);
    TRY(all_policies(&params->policies, &params->n_policies, c, i));
    controller->method.params = params;
    return ERR_OK;
}

static enum err add_controllers(struct compared *c, int i)
{
    struct experiment *x = ARENA_NEW(c->arena, 1, struct experiment);
    TRY(arena_error(c->arena));
    TRY(ablate_load_evaluation(x, c->plan, i));
    c->loaded[c->n_loaded++] = x;
    const struct eval_cfg *eval = &x->cfg.eval;
    const bool trained =
        c->plan->spec->variants[c->plan->runs[i].variant].kind == ABLATION_TRAINING;
    TRY(make_room(c, eval->n_controllers));
    for (int k = 0; k < eval->n_controllers; k++) {
        c->controllers[c->n] = eval->controllers[k];
        TRY(trained ? with_policies(&c->controllers[c->n], c, i) : ERR_OK);
        c->n++;
    }
    return ERR_OK;
}

static enum err leave_out(struct compared *c, int i)
{
    const struct ablation_line *l = &c->plan->lines[i];
    return buf_printf(&c->left_out, "# left out: %s, seed %" PRIu64 ", %s\n", l->variant, l->seed,
                      cfg_choice_name(ablation_states, (int)l->state));
}

static enum err collect_controllers(struct compared *c)
{
    c->loaded = ARENA_NEW(c->arena, c->plan->n, struct experiment *);
    TRY(arena_error(c->arena));
    for (int i = 0; i < c->plan->n; i++) {
        if (is_of(c, i) && !is_done(c, i)) {
            TRY(leave_out(c, i));
        } else if (is_of(c, i) && comes_first(c, i)) {
            TRY(add_controllers(c, i));
        }
    }
    return ERR_OK;
}

/* The evaluation as the spec names it, without what a single run replaces. */
static enum err load_whole(struct experiment *x, const struct compared *c)
{
    const struct ablation_spec *spec = c->plan->spec;
    struct ablation_sources s;
    struct ablation_variant none = {.name = "", .kind = ABLATION_TRAINING};
    struct ablation_spec alone = *spec;
    const struct ablation_run r = {.variant = 0, .scenario = c->scenario};
    alone.variants = &none;
    alone.n_variants = 1;
    TRY(ablation_sources(&s, &alone, &r, ABLATION_EVALUATE, 0, c->arena));
    return experiment_load_sources(x, s.files, s.n_files, s.sets, s.n_sets);
}

static enum err put(struct compared *c, struct experiment *x)
{
    const char *name = c->plan->spec->scenarios[c->scenario].name;
    const char *dir = file_join(c->arena, c->plan->dir, "compared");
    TRY(arena_error(c->arena));
    const char *path = arena_printf(c->arena, "%s/%s.yaml", dir, name);
    x->cfg.run.dir = arena_printf(c->arena, "%s/%s", dir, name);
    TRY(arena_error(c->arena));
    x->cfg.eval.controllers = c->controllers;
    x->cfg.eval.n_controllers = c->n;
    x->cfg.eval.n_frontier = x->cfg.eval.n_joined = 0;
    x->cfg.eval.trajectories = EVAL_TRAJECTORIES_NONE; /* each run has its own */
    TRY(file_make_dirs(dir));
    struct buf b;
    buf_init(&b);
    enum err e = buf_printf(&b,
                            "# Made by karma ablate: all variants in scenario %s, from rows that "
                            "are there.\n#     karma eval %s --merge %s/runs/*/%s/*/evaluation/"
                            "eval.csv\n%.*s",
                            name, path, c->plan->dir, name, (int)c->left_out.len,
                            (const char *)c->left_out.data);
    e = e == ERR_OK ? cfg_print_resolved(&b, experiment_fields, &x->cfg, CFG_ALL) : e;
    e = e == ERR_OK ? file_write(path, b.data, b.len) : e;
    buf_release(&b);
    return e;
}

static enum err write_scenario(struct compared *c)
{
    struct experiment x;
    TRY(collect_controllers(c));
    if (c->n == 0) {
        return ERR_OK;
    }
    TRY(load_whole(&x, c));
    const enum err e = put(c, &x);
    experiment_release(&x);
    return e;
}

enum err ablate_write_compared(const struct ablate_plan *plan, struct arena *scratch)
{
    enum err e = ERR_OK;
    for (int s = 0; e == ERR_OK && s < plan->spec->n_scenarios; s++) {
        const struct arena_mark mark = arena_mark(scratch);
        struct compared c = {.plan = plan, .arena = scratch, .scenario = s};
        buf_init(&c.left_out);
        e = write_scenario(&c);
        for (int i = 0; i < c.n_loaded; i++) {
            experiment_release(c.loaded[i]);
        }
        buf_release(&c.left_out);
        arena_rewind(scratch, mark);
    }
    return e;
}
