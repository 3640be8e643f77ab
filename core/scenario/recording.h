/* A recorded load: a file of rates, with the stretches for which nothing was recorded cut out.
 *
 * Two kinds of text, in every spelling of core/base/tabular.h:
 *   - plain: one rate (requests/s) a line, one line a second;
 *   - CSV: a header, then rows of which one column is the time and one the rate. A rate that is
 *     missing is a sample that is missing.
 * Times increase from row to row. Numbers are seconds; if they cannot be, they are read as what
 * they then must be (timescale_unit()), unless time_unit_s says otherwise. Whatever their spacing,
 * the recording is resampled to 1 Hz by holding: second t has the rate of the last sample at or
 * before its start.
 *
 * Where two samples are further apart than gap_s, there is a gap: the sample before it holds for
 * one second, as the very last one does, and the seconds up to the next sample do not exist. So is
 * a stretch of at least PLAUSIBLE_EMPTY_S in which every rate is 0, unless the whole recording is;
 * there the sample before holds until the stretch begins.
 * What is left is numbered 0 .. n_seconds-1 and falls into pieces; an episode that stays inside a
 * piece crosses no gap.
 */
#ifndef KARMA_SCENARIO_RECORDING_H
#define KARMA_SCENARIO_RECORDING_H

#include "core/base/err.h"
#include "core/base/mem.h"

/* Where the file is and how to read it; of a plain file only path matters. */
struct recording_format {
    const char *path;
    const char *time_column, *rate_column; /* name, "#2" = the second, "" = found by its name */
    double time_unit_s;                    /* seconds in one unit of a time that is a number;
                                              1 = seconds, or what the numbers must be */
    double gap_s;                          /* 0 = three times the median spacing */
};

struct recording_sample {
    int from;  /* first second of the recording that has this rate; ascending */
    float rps; /* scaled */
};
struct recording {
    const struct recording_sample *samples; /* (n_samples) */
    const int *pieces;                      /* (n_pieces + 1) first seconds, then n_seconds */
    int n_samples, n_pieces, n_seconds;
};

/* Reads and checks the file and scales it so that its mean over time, gaps left out, is mean_rps.
 * Tells (info) what was understood: samples, span, spacing, range, columns; warns of what is
 * unusual (core/base/plausible.h). ERR_FORMAT with a sentence: with file:line for a line that
 * cannot be read, a rate that is negative or not finite, a time that does not increase; with the
 * file for one that is too short, all zeros, the total of a counter, or more than a month between
 * its samples. ERR_IO if it cannot be read. */
enum err recording_read(struct recording *r, struct arena *arena,
                        const struct recording_format *format, double mean_rps) WARN_UNUSED;

/* rps (n): the n seconds that follow `at`, at < begin + len; behind the last of the len seconds
 * from `begin` on comes the first of them again. */
void recording_play(float *rps, const struct recording *r, int at, int begin, int len, int n);

/* ---- between the two files of the reader ---- */

/* One line of the file as it was read. */
struct recording_row {
    double at_s, rate;
    double ends_s; /* when its rate stops to hold because an empty stretch begins; NaN: it holds up
                      to the next row */
    int line;      /* of the file */
};
struct recording_text {
    struct buf rows;     /* owned by the caller: struct recording_row */
    size_t n_missing;    /* rows without a rate */
    const char *columns; /* "time 'Time', rate 'Value', separated by commas" */
    const char *rate;    /* name of the rates' column, "" without a header */
    const char *times;   /* what the times were: "dates", "seconds", "milliseconds since 1970" */
};

/* Appends the rows of the file; the texts are in the arena. */
enum err recording_read_text(struct recording_text *out, struct arena *arena,
                             const struct recording_format *format) WARN_UNUSED;

#endif
