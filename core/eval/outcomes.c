/* The dense table of outcomes. See outcomes.h. */
#include "core/eval/outcomes.h"

#include "core/base/log.h"

#include <math.h>
#include <stdbool.h>

/* ---- checking the order ---- */

static enum err unexpected(const struct eval_row *r, int i)
{
    log_error("evaluation: row %d is controller %d, training seed %d, scenario %d, episode %u, "
              "which is not the one that is due; rows are missing or doubled",
              i, r->controller, r->train, r->scenario, r->episode);
    return ERR_MISMATCH;
}

/* Every controller has whole blocks (scenario, episode), one for each training seed, controllers in
 * order. Row i must be number i % block of its block, so its scenario and its episode are known in
 * advance, and its training seed is the number of blocks that the controller has had before. A
 * controller may only follow the one before it. If all rows pass and the last block is whole,
 * value_at() finds any value by arithmetic. first and n_train are zeroed by the arena. */
static enum err find_blocks(int *first, int *n_train, const struct eval_row *rows, int n_rows,
                            const struct outcomes *o)
{
    const int block = o->n_scenarios * o->n_episodes;
    const uint32_t begin = n_rows > 0 ? rows[0].episode : 0;
    int controller = -1;
    for (int i = 0; i < n_rows; i++) {
        const struct eval_row *r = &rows[i];
        if (i % block == 0) {
            const bool next = r->controller != controller;
            if (next && r->controller != controller + 1) {
                return unexpected(r, i);
            }
            controller = r->controller;
            if (controller >= o->n_controllers) {
                return unexpected(r, i);
            }
            first[controller] = next ? i : first[controller];
            n_train[controller] += 1;
        }
        if (r->controller != controller || r->train != n_train[controller] - 1 ||
            r->scenario != i % block / o->n_episodes ||
            r->episode != begin + (uint32_t)(i % o->n_episodes)) {
            return unexpected(r, i);
        }
    }
    if (controller != o->n_controllers - 1 || n_rows % block != 0) {
        log_error("evaluation: the %d rows end within controller %d of %d", n_rows, controller + 1,
                  o->n_controllers);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

enum err outcomes_init(struct outcomes *o, struct arena *arena, const struct eval_row *rows,
                       int n_rows, int n_controllers, int n_scenarios, int n_episodes)
{
    int *first = ARENA_NEW(arena, n_controllers, int);
    int *n_train = ARENA_NEW(arena, n_controllers, int);
    TRY(arena_error(arena));
    const struct outcomes made = {.rows = rows,
                                  .n_controllers = n_controllers,
                                  .n_scenarios = n_scenarios,
                                  .n_episodes = n_episodes,
                                  .first = first,
                                  .n_train = n_train};
    TRY(find_blocks(first, n_train, rows, n_rows, &made));
    *o = made;
    return ERR_OK;
}

/* ---- samples ---- */

static double value_at(const struct outcomes *o, int controller, int train, int scenario,
                       int episode, int metric)
{
    const int i =
        o->first[controller] + (train * o->n_scenarios + scenario) * o->n_episodes + episode;
    return ((const double *)&o->rows[i].m)[metric];
}

/* Equal weights for all scenarios in which the episode has the metric. */
static double pooled_at(const struct outcomes *o, int controller, int train, int episode,
                        int metric)
{
    double sum = 0;
    int n = 0;
    for (int s = 0; s < o->n_scenarios; s++) {
        const double v = value_at(o, controller, train, s, episode, metric);
        if (isfinite(v)) {
            sum += v;
            n++;
        }
    }
    return n > 0 ? sum / n : NAN;
}

static double any_at(const struct outcomes *o, int controller, int train, int scenario, int episode,
                     int metric)
{
    return scenario == OUTCOMES_POOLED ? pooled_at(o, controller, train, episode, metric)
                                       : value_at(o, controller, train, scenario, episode, metric);
}

void outcomes_gather(double *x, const struct outcomes *o, int controller, int scenario, int metric)
{
    for (int t = 0; t < o->n_train[controller]; t++) {
        for (int e = 0; e < o->n_episodes; e++) {
            *x++ = any_at(o, controller, t, scenario, e, metric);
        }
    }
}

/* In the order of the rows, so the same bits however the rows came about. */
double outcomes_mean(const struct outcomes *o, int controller, int scenario, int metric)
{
    double sum = 0;
    int n = 0;
    for (int t = 0; t < o->n_train[controller]; t++) {
        for (int e = 0; e < o->n_episodes; e++) {
            const double v = any_at(o, controller, t, scenario, e, metric);
            sum += isfinite(v) ? v : 0;
            n += isfinite(v) ? 1 : 0;
        }
    }
    return n > 0 ? sum / n : NAN;
}

static bool column_defined(const double *x, int n_rows, int n_columns, int column)
{
    for (int i = 0; i < n_rows; i++) {
        if (!isfinite(x[i * n_columns + column])) {
            return false;
        }
    }
    return true;
}

static void spoil_column(double *x, int n_rows, int n_columns, int column)
{
    for (int i = 0; i < n_rows; i++) {
        x[i * n_columns + column] = NAN;
    }
}

/* Moves the defined values of x (n) to its front, in order. */
static void close_gaps(double *x, int n)
{
    int n_kept = 0;
    for (int i = 0; i < n; i++) {
        if (isfinite(x[i])) {
            x[n_kept++] = x[i];
        }
    }
}

/* A column is defined if all values of both arms are. Columns of an arm that was spoilt are
 * undefined in all its rows, which is what lets close_gaps() treat a table as one list. */
int outcomes_defined(double *a, int n_a, double *b, int n_b, int n_episodes)
{
    int n_kept = 0;
    for (int e = 0; e < n_episodes; e++) {
        if (column_defined(a, n_a, n_episodes, e) && column_defined(b, n_b, n_episodes, e)) {
            n_kept++;
        } else {
            spoil_column(a, n_a, n_episodes, e);
            spoil_column(b, n_b, n_episodes, e);
        }
    }
    /* Now a column is undefined in all rows or in none, so what is left of each row is as long. */
    close_gaps(a, n_a * n_episodes);
    close_gaps(b, n_b * n_episodes);
    return n_kept;
}
