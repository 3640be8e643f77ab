/* Reading policy files, and saying in words how they were made. See policies.h. */
#include "mpi/policies.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/base/log.h"
#include "proto/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- loading ---- */

static enum err decode(struct team *team, struct policy_source *source, struct arena *arena,
                       const struct experiment *x, const struct buf *bytes, const char *path)
{
    struct policy_meta meta = {.features = experiment_features(x, arena)};
    struct frame_reader reader;
    struct frame f;
    if (meta.features == NULL) {
        return ERR_MEMORY;
    }
    frame_reader_init(&reader, bytes->data, bytes->len, path);
    TRY(frame_expect(&reader, &f, FRAME_POLICY, CODEC_POLICY_VERSION));
    TRY(codec_get_policy(team, &meta, f.payload, f.n, path, arena));
    source->seed = meta.seed;
    source->digest = meta.digest;
    source->config = meta.config;
    return ERR_OK;
}

static enum err load_one(struct team *team, struct policy_source *source, struct arena *arena,
                         const struct experiment *x, const char *config_path)
{
    const char *path = file_join(arena, source->run, "policy/weights.bin");
    struct buf bytes;
    if (path == NULL) {
        return ERR_MEMORY;
    }
    if (!file_exists(path)) {
        log_error("%s: there is no trained policy; make it with: karma train %s --set run.dir=%s",
                  path, config_path, source->run);
        return ERR_IO;
    }
    TRY(team_init(team, arena, &x->cfg.team, &x->rules.spec));
    buf_init(&bytes);
    enum err e = file_read(&bytes, path, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        e = decode(team, source, arena, x, &bytes, path);
    }
    buf_release(&bytes);
    return e;
}

static enum err load_controller(struct policies *p, struct arena *arena, const struct experiment *x,
                                int c, const char *config_path)
{
    const struct controller_cfg *cfg = &p->cfg->controllers[c];
    const int n = cfg->n_policies > 0 ? cfg->n_policies : 1;
    const struct team **list = ARENA_NEW(arena, n, const struct team *);
    struct team *teams = ARENA_NEW(arena, n, struct team);
    p->sources[c] = ARENA_NEW(arena, n, struct policy_source);
    if (list == NULL || teams == NULL || p->sources[c] == NULL) {
        return ERR_MEMORY;
    }
    for (int i = 0; i < n; i++) {
        p->sources[c][i].run = cfg->n_policies > 0 ? cfg->policies[i] : x->cfg.run.dir;
        TRY(load_one(&teams[i], &p->sources[c][i], arena, x, config_path));
        list[i] = &teams[i];
    }
    p->teams[c] = (struct eval_teams){.teams = list, .n_teams = n};
    return ERR_OK;
}

enum err policies_load(struct policies *p, struct arena *arena, const struct experiment *x,
                       int only, const char *path)
{
    const struct eval_cfg *cfg = &x->cfg.eval;
    *p = (struct policies){.cfg = cfg,
                           .teams = ARENA_NEW(arena, cfg->n_controllers, struct eval_teams),
                           .sources = ARENA_NEW(arena, cfg->n_controllers, struct policy_source *)};
    if (p->teams == NULL || p->sources == NULL) {
        return ERR_MEMORY;
    }
    for (int c = 0; c < cfg->n_controllers; c++) {
        const bool wanted = only == POLICIES_ALL || only == c;
        if (wanted && cfg->controllers[c].kind == CONTROLLER_POLICY) {
            TRY(load_controller(p, arena, x, c, path));
        }
    }
    return ERR_OK;
}

/* ---- words ---- */

static void ignore_line(void *ctx, enum log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
}

/* "160 updates from scratch". A policy of an older program may have a configuration that this one
 * does not read; then nothing is claimed. */
static const char *describe_training(struct arena *arena, const struct policy_source *s)
{
    static const char *const starts[] = {[INIT_SCRATCH] = "from scratch",
                                         [INIT_CLONE_FF] = "after cloning the ff rule",
                                         [INIT_CLONE_KHPA] = "after cloning the khpa rule"};
    struct experiment_cfg cfg;
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof cfg, arena);
    log_set_sink(ignore_line, NULL);
    const enum err e = cfg_load_text(&reader, s->run, s->config, NULL, 0, &cfg);
    log_set_sink(NULL, NULL);
    if (e != ERR_OK) {
        return "by another version of this program";
    }
    const struct train_cfg *t = &cfg.train;
    return arena_printf(arena, "%s, %d updates of %d env-steps", starts[t->init], t->updates,
                        t->envs * t->steps);
}

const char *policies_describe(const struct policies *p, struct arena *arena, int c)
{
    const struct controller_cfg *cfg = &p->cfg->controllers[c];
    const int n = p->teams[c].n_teams;
    if (n == 0) {
        return NULL;
    }
    const char *text = arena_printf(
        arena, "%s: %s; trained %s; training seed%s", controller_label(cfg),
        cfg->mode == ACT_ARGMAX ? "the most probable choice (arg-max)" : "sampled choices",
        describe_training(arena, &p->sources[c][0]), n == 1 ? "" : "s");
    for (int i = 0; i < n && text != NULL; i++) {
        text = arena_printf(arena, "%s %" PRIu64, text, p->sources[c][i].seed);
    }
    return text;
}
