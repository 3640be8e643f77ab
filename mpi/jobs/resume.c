/* Looking at a run directory before anything is built. See resume.h. */
#include "mpi/jobs/resume.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "mpi/train/checkpoint_dir.h"
#include "mpi/train/train_attacker.h"
#include "proto/weights.h"

#include <string.h>

enum { STATUS_MAX = 4096 };

/* A status that begins with "done", such as "done; agent 'x' collapsed since update 3". */
enum err resume_is_done(bool *done, struct arena *arena, const char *run_dir)
{
    const char *path = file_join(arena, run_dir, "status");
    struct buf text;
    TRY(arena_error(arena));
    *done = false;
    if (!file_exists(path)) {
        return ERR_OK;
    }
    buf_init(&text);
    const enum err e = file_read(&text, path, STATUS_MAX);
    *done = e == ERR_OK && strncmp((const char *)text.data, "done", 4) == 0;
    buf_release(&text);
    return e;
}

/* ---- the same configuration? ---- */

/* Digests decide, since they see the contents of files; the differences by row are for the
 * message. */
static enum err compare(const struct experiment *x, const struct experiment_cfg *old)
{
    uint64_t digest_old = 0, digest_new = 0;
    struct buf differences;
    TRY(experiment_training_digest(&digest_new, &x->cfg));
    TRY(experiment_training_digest(&digest_old, old));
    if (digest_old == digest_new) {
        return ERR_OK;
    }
    buf_init(&differences);
    enum err e = experiment_diff(&differences, experiment_training_fields, old, &x->cfg);
    if (e == ERR_OK) {
        log_error("%s holds a run of another configuration. Resume it with its own, choose another "
                  "run.dir, or train anew with --restart (the old run is moved aside). What "
                  "differs, old -> new: %s",
                  x->cfg.run.dir, (const char *)differences.data);
        e = ERR_CONFIG;
    }
    buf_release(&differences);
    return e;
}

/* RUN/run.yaml against the experiment. run.yaml is the resolved configuration, so it does not
 * depend on the defaults of this program. */
static enum err check_config(const struct experiment *x, struct arena *arena)
{
    struct experiment_cfg old;
    struct cfg reader;
    const char *path = file_join(arena, x->cfg.run.dir, "run.yaml");
    TRY(arena_error(arena));
    cfg_init(&reader, experiment_fields, sizeof old, arena);
    const enum err e = cfg_load(&reader, path, NULL, 0, &old);
    if (e == ERR_CONFIG) {
        log_error("%s: this program cannot read the run's configuration; resume it with the "
                  "program that wrote it, or train anew with --restart",
                  path);
    }
    return e == ERR_OK ? compare(x, &old) : e;
}

/* ---- a finished run ---- */

/* The policy of a team, whose learner has its shape; its weights go on with the digest. */
static enum err read_policy(uint64_t *digest, struct arena *arena, const struct learner *l,
                            const char *const *features, const char *path)
{
    struct buf bytes;
    struct frame_reader reader;
    struct frame f;
    struct policy_meta meta = {.features = features};
    TRY(arena_error(arena));
    buf_init(&bytes);
    enum err e = file_read(&bytes, path, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        frame_reader_init(&reader, bytes.data, bytes.len, path);
        e = frame_expect(&reader, &f, FRAME_POLICY, CODEC_POLICY_VERSION);
    }
    if (e == ERR_OK) {
        e = codec_get_policy(l->w, l->spec, &meta, f.payload, f.n, path, arena);
    }
    if (e == ERR_OK) {
        *digest = weights_hash(*digest, l->w);
    }
    buf_release(&bytes);
    return e;
}

/* The policies of all teams, in their order: the digest of a training is that of all weights. */
static enum err read_policies(uint64_t *digest, struct arena *arena, const struct experiment *x)
{
    const struct experiment_cfg *c = &x->cfg;
    struct attacker_source attacker;
    struct learner *l;
    *digest = HASH_START;
    TRY(method_learner(&l, arena, &x->method, 0, false, 0, arena));
    TRY(read_policy(digest, arena, l, x->method.columns,
                    file_join(arena, c->run.dir, "policy/weights.bin")));
    if (x->attacker == NULL || c->train.opponent == OPPONENT_POPULATION) {
        return ERR_OK;
    }
    const char *const *columns = attacker_interface_columns(x->attacker, arena);
    const struct learner_source source =
        attacker_source_learner(&attacker, &c->attacker, &c->team, &c->mappo, false, columns);
    attacker.policy = "";
    TRY(source.make(source.ctx, &l, arena, &x->attacker->spec, 1, 0, arena));
    return read_policy(digest, arena, l, columns,
                       file_join(arena, c->run.dir, "policy/attacker.bin"));
}

static enum err finished(uint64_t *digest, struct arena *arena, const struct experiment *x)
{
    const enum err e = read_policies(digest, arena, x);
    if (e == ERR_OK) {
        log_info("%s: this training is done; --restart trains it anew", x->cfg.run.dir);
    } else if (e != ERR_MEMORY) {
        log_error("%s: this training is done, but its policy cannot be read; --restart trains it "
                  "anew",
                  x->cfg.run.dir);
    }
    return e;
}

/* ---- deciding ---- */

/* A run that is neither done nor has a checkpoint has nothing to be continued,
 * whatever its configuration. */
static enum err look(enum resume *what, uint64_t *digest, struct arena *arena,
                     const struct experiment *x)
{
    bool done = false, any = false;
    const char *dir = x->cfg.run.dir;
    TRY(resume_is_done(&done, arena, dir));
    TRY(checkpoint_dir_look(&any, dir));
    *what = done ? RESUME_DONE : any ? RESUME_CONTINUE : RESUME_FRESH;
    if (*what == RESUME_FRESH) {
        return ERR_OK;
    }
    TRY(check_config(x, arena));
    return done ? finished(digest, arena, x) : ERR_OK;
}

/* What rank 0 tells the others. */
struct answer {
    enum resume what;
    uint64_t digest;
};

static enum err share(struct answer *a, struct comm *comm)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_agree(comm, buf_append(&b, a, sizeof *a));
    if (e == ERR_OK) {
        e = comm_bcast(comm, 0, &b);
    }
    if (e == ERR_OK) {
        CHECK(b.len == sizeof *a);
        memcpy(a, b.data, sizeof *a);
    }
    buf_release(&b);
    return e;
}

/* Errors are agreed on before the answer is broadcast, so share() begins on all ranks or on
 * none. */
enum err resume_decide(enum resume *what, uint64_t *digest, struct comm *comm,
                       const struct experiment *x, bool restart)
{
    struct arena arena;
    struct answer a = {.what = RESUME_FRESH, .digest = *digest};
    enum err e = ERR_OK;
    arena_init(&arena);
    if (comm->rank == 0 && !restart) {
        e = look(&a.what, &a.digest, &arena, x);
    }
    arena_release(&arena);
    TRY(comm_agree(comm, e));
    TRY(share(&a, comm));
    *what = a.what;
    *digest = a.digest;
    return ERR_OK;
}
