/* The grid says who plays, the recorder what happened. See trajectories.h. */
#include "mpi/jobs/trajectories.h"

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum err trajectories_init(struct trajectories *t, struct arena *arena, const struct experiment *x,
                           int n_action, const struct eval_grid *grid, const char *dir)
{
    const int n = x->rules.n_services;
    const char **services = ARENA_NEW(arena, n, const char *);
    *t = (struct trajectories){.x = x,
                               .grid = grid,
                               .path = file_join(arena, dir, "trajectories.bin"),
                               .columns = experiment_features(x, arena),
                               .services = services,
                               .fd = -1};
    TRY(arena_error(arena));
    for (int s = 0; s < n; s++) {
        services[s] = x->cfg.topology.services[s].name;
    }
    return trajectory_recorder_init(&t->recorder, arena, &x->env_setup, n_action);
}

void trajectories_close(struct trajectories *t)
{
    if (t->fd >= 0) {
        close(t->fd);
    }
    t->fd = -1;
    trajectory_recorder_release(&t->recorder);
}

/* ---- who ---- */

/* What job i plays, where
 *
 *   i = (arm * n_scenarios + scenario) * n_episodes + episode - first
 *
 * It decides every byte of the episode, so a frame with this identity need not be played again. */
static struct trajectory_episode identity_of(const struct trajectories *t, int i)
{
    const struct eval_grid *grid = t->grid;
    const struct grid_arm *arm = &grid->arms[i / (grid->n_scenarios * grid->n_episodes)];
    const int scenario = i / grid->n_episodes % grid->n_scenarios;
    return (struct trajectory_episode){
        .controller = arm->name,
        .scenario = grid->scenarios[scenario],
        .split = grid->split,
        .policy = arm->learned ? arm->policy : 0,
        .train_seed = arm->learned ? arm->seed : 0,
        .seed = grid->seed,
        .cell_digest = arm->cell_digest[scenario],
        .episode = (uint32_t)(grid->first + i % grid->n_episodes),
        .period_s = t->x->cfg.plant.period_s,
        .services = t->services,
        .columns = t->columns,
    };
}

static bool same_identity(const struct trajectory_episode *a, const struct trajectory_episode *b)
{
    return strcmp(a->controller, b->controller) == 0 && strcmp(a->scenario, b->scenario) == 0 &&
           strcmp(a->split, b->split) == 0 && a->policy == b->policy &&
           a->train_seed == b->train_seed && a->seed == b->seed &&
           a->cell_digest == b->cell_digest && a->episode == b->episode;
}

enum err trajectories_encode(struct buf *out, const struct trajectories *t, int i)
{
    struct trajectory_episode trace = identity_of(t, i);
    trajectory_recorder_fill(&trace, &t->recorder);
    return codec_put_trajectory(out, &trace);
}

/* ---- the file ---- */

/* Is the frame that of job i, as this program writes it? A frame that cannot be decoded, or is of
 * an older version, which says less, is not: its job is played again. */
static enum err is_of_job(bool *yes, const struct trajectories *t, const struct frame *f, int i)
{
    struct arena scratch;
    struct trajectory_episode found;
    const struct trajectory_episode want = identity_of(t, i);
    *yes = false;
    if (f->kind != FRAME_TRAJECTORY_EPISODE || f->version != CODEC_TRAJECTORY_LOG_VERSION) {
        return ERR_OK;
    }
    arena_init(&scratch);
    const enum err e = codec_get_trajectory(&found, f->payload, f->n, t->path, &scratch);
    *yes = e == ERR_OK && same_identity(&found, &want);
    arena_release(&scratch);
    return e;
}

/* Counts the frames that can be kept, and their bytes. Invariant: the first *bytes bytes of the
 * file are the frames of the jobs 0 .. n_kept - 1. The loop ends when all jobs have theirs, at the
 * end of the file, or at the first frame that is torn or of another job; what is behind that is cut
 * off by trajectories_open(). The warning is for the last case only. */
static enum err count_kept(size_t *bytes, struct trajectories *t, struct frame_file *f)
{
    const int n_jobs = t->grid->n_arms * t->grid->n_scenarios * t->grid->n_episodes;
    struct frame frame;
    enum frame_status status = FRAME_OK;
    bool is_next = true;
    *bytes = 0;
    while (t->n_kept < n_jobs) {
        TRY(frame_file_next(f, &frame, &status));
        if (status != FRAME_OK) {
            break;
        }
        TRY(is_of_job(&is_next, t, &frame, t->n_kept));
        if (!is_next) {
            break;
        }
        t->n_kept++;
        *bytes = f->at;
    }
    if (status != FRAME_AT_END && (status != FRAME_OK || !is_next)) {
        log_warn("%s: after %d episodes %s; the rest is played again", t->path, t->n_kept,
                 status != FRAME_OK ? "a frame is torn or damaged"
                                    : "another one follows than this evaluation has next");
    }
    return ERR_OK;
}

static enum err find_kept(size_t *bytes, struct trajectories *t)
{
    struct frame_file f;
    TRY(frame_file_open(&f, t->path));
    const enum err e = count_kept(bytes, t, &f);
    frame_file_close(&f);
    return e;
}

/* O_APPEND after the file was cut to the frames that are kept: writes go behind them. */
enum err trajectories_open(struct trajectories *t, bool keep)
{
    size_t bytes = 0;
    t->n_kept = 0;
    if (keep && file_exists(t->path)) {
        TRY(find_kept(&bytes, t));
    }
    t->fd = open(t->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (t->fd < 0 || ftruncate(t->fd, (off_t)bytes) != 0) {
        log_error("cannot open '%s' or cut it to %zu bytes: %s", t->path, bytes, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* The record is the frame of the row, whose header says its length, and the frame of the
 * trajectory, which goes into the file as it came. */
enum err trajectories_take(struct trajectories *t, int i, const void *record, size_t bytes)
{
    if (i < t->n_kept) {
        return ERR_OK;
    }
    CHECK(bytes > FRAME_HEADER_BYTES); /* the row was read from it */
    const size_t row = FRAME_HEADER_BYTES + frame_length(record);
    CHECK(row < bytes);
    return file_write_fd(t->fd, t->path, (const char *)record + row, bytes - row);
}
