/* The parts of a replay of a recording (replay_recording.h): its services, and what each step adds
 * to them. replay_recording.c makes controllers and replays; the others read and print. Local. */
#ifndef KARMA_JOBS_REPLAY_RECORDING_PARTS_H
#define KARMA_JOBS_REPLAY_RECORDING_PARTS_H

#include "core/base/csv.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/replay_recording.h"

struct fitted {
    double request_m, lag_s;
};

/* One service of the recording. */
struct replayed {
    const char *name;
    int n_series;
    struct replay_series *series; /* (n_series) one for each run that has it */
    double request_m, capacity_rps;
    struct experiment *x;
    struct controller *controller;
    double *errors;        /* (n_series, CELLS) sums of the free runs; with fit */
    struct fitted *fitted; /* (n_series) */
    struct replay_result result;
    int64_t n_samples;
};

struct replays {
    const struct replay_recording_cfg *cfg;
    const struct metrics_table *table;
    struct arena *arena;
    struct replayed *services;
    int n_services, replicas, cpu, rps; /* columns; -1: none */
    int max;
    struct csv csv;
};

/* replay_recording_series.c: the services and runs of r->table. First columns, then services.
 * ERR_FORMAT with a sentence if there is nothing to compare with. */
enum err replays_read_columns(struct replays *r) WARN_UNUSED;
enum err replays_collect(struct replays *r) WARN_UNUSED;

/* The most that were recorded, of all services and runs; at least 1, at most 1000. */
int replays_most_replicas(const struct replays *r);

/* replay_recording_report.c: errors, what was found with `fit`, and what limits the comparison, on
 * standard output. */
enum err replays_print(const struct replays *r) WARN_UNUSED;

#endif
