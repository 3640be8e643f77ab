/* The rows of the model. See scale.h. */
#include "mpi/jobs/scale.h"

#include "core/base/fmath.h"
#include "core/base/rng.h"

#include <math.h>

/* ---- one training ---- */

static enum err one_run(struct scale_run *row, const struct balance_costs *costs, int ranks,
                        int updates, struct arena *scratch)
{
    struct balance_costs c = *costs;
    c.size = ranks;
    c.processors = ranks;
    TRY(balance_choose(&row->table, &c, scratch));
    TRY(balance_predict(&row->update, &c, row->table.learners, row->table.simulated, scratch));
    row->ranks = ranks;
    row->converged_s = updates * row->update.update_s;
    return ERR_OK;
}

/* 1, 2, 4, ..., then `most`. */
static int next_size(int n, int most)
{
    return n < most && n > most / 2 ? most : 2 * n;
}

enum err scale_runs(struct scale_run *rows, int *n, const struct balance_costs *costs, int updates,
                    struct arena *scratch)
{
    *n = 0;
    for (int p = 1; p <= costs->n_tiles; p = next_size(p, costs->n_tiles)) {
        struct scale_run *row = &rows[*n];
        CHECK(*n < SCALE_ROWS_MAX);
        TRY(one_run(row, costs, p, updates, scratch));
        row->efficiency = rows[0].update.update_s / (p * row->update.update_s);
        ++*n;
    }
    return ERR_OK;
}

/* ---- a farm ---- */

enum { DRAW_SPEED, DRAW_PREEMPTIONS };

struct course {
    double seconds, lost_s;
    int preemptions;
};

/* Times between preemptions of p ranks are exponential with p times the rate. What is lost is the
 * work since a checkpoint: checkpoints are made every checkpoint_s of work. The time without work
 * cannot be preempted. A training that loses more than it makes would never end; after
 * PREEMPTIONS_MAX it is taken to have ended, which makes the efficiency look too good. */
enum { PREEMPTIONS_MAX = 100000 };

static struct course run_course(const struct scale_farm_cfg *f, struct rng_key key,
                                uint32_t training, double run_s)
{
    const struct rng_block speed = rng_philox(key, training, DRAW_SPEED, 0, 0);
    const double work = run_s * fm_exp(f->sigma * rng_normal(speed.v[0], speed.v[1]));
    const double rate = f->preempt_per_hour / 3600.0 * f->ranks_each;
    struct course c = {0};
    double done = 0.0;
    for (uint32_t i = 0; i < PREEMPTIONS_MAX; i++) {
        const struct rng_block b = rng_philox(key, training, DRAW_PREEMPTIONS, i, 0);
        const double until = rate > 0.0 ? rng_exponential(b.v[0]) / rate : HUGE_VAL;
        if (done + until >= work) {
            break;
        }
        done += until;
        const double kept =
            f->checkpoint_s > 0.0 ? floor(done / f->checkpoint_s) * f->checkpoint_s : done;
        c.lost_s += done - kept + f->restart_s;
        c.preemptions++;
        done = kept;
    }
    c.seconds = work + c.lost_s;
    return c;
}

/* A heap of the times at which places become free, the earliest first. */
static void sink(double *heap, int n, int i)
{
    for (int child = 2 * i + 1; child < n; child = 2 * i + 1) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (heap[i] <= heap[child]) {
            return;
        }
        const double above = heap[i];
        heap[i] = heap[child];
        heap[child] = above;
        i = child;
    }
}

/* All places begin at 0. Each start costs the rank that hands out two messages. */
static void play_farm(struct scale_farm *row, const struct scale_farm_cfg *f, double run_s,
                      const struct loggp *net, double *heap, int places)
{
    const struct rng_key key = rng_key(f->seed, RNG_SCALE, RNG_TRAIN);
    double handing_s = 0.0, end_s = 0.0, lost_s = 0.0, busy_s = 0.0;
    for (int i = 0; i < places; i++) {
        heap[i] = 0.0;
    }
    for (int j = 0; j < row->trainings; j++) {
        const struct course c = run_course(f, key, (uint32_t)j, run_s);
        const double free_s = heap[0];
        handing_s = (free_s > handing_s ? free_s : handing_s) + 2.0 * net->overhead_s + net->gap_s;
        heap[0] = handing_s + 2.0 * net->latency_s + c.seconds;
        end_s = heap[0] > end_s ? heap[0] : end_s;
        lost_s += c.lost_s;
        busy_s += c.seconds;
        row->preemptions += c.preemptions;
        row->endless += c.preemptions == PREEMPTIONS_MAX;
        sink(heap, places, 0);
    }
    row->seconds = end_s;
    row->efficiency = row->trainings * (double)f->ranks_each * run_s / (row->ranks * end_s);
    row->lost_share = lost_s / busy_s;
}

enum err scale_farms(struct scale_farm *rows, int *n, const struct scale_farm_cfg *cfg,
                     double run_s, const struct loggp *net, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const int most = cfg->ranks_most / cfg->ranks_each;
    double *heap = ARENA_NEW(scratch, most, double);
    enum err e = arena_error(scratch);
    *n = 0;
    for (int places = 1; e == ERR_OK && places <= most; places = next_size(places, most)) {
        CHECK(*n < SCALE_ROWS_MAX);
        const int trainings = (int)ceil(cfg->per_place * places);
        rows[*n] = (struct scale_farm){.ranks = places * cfg->ranks_each, .trainings = trainings};
        play_farm(&rows[*n], cfg, run_s, net, heap, places);
        ++*n;
    }
    arena_rewind(scratch, mark);
    return e;
}
