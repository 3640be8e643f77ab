# gnuplot twin_vs_sim.gp   writes twin_vs_sim.svg and twin_vs_sim.png
set datafile separator comma
set datafile columnheaders
set encoding utf8
set border 3 lw 1 lc rgb '#404040'
set tics nomirror out
set grid ytics lc rgb '#d8d8d8' lw 1 dt 1
do for [format in 'svg png'] {
if (format eq 'svg') {
    set terminal svg size 800,460 font 'Arial,13' background 'white'
} else {
    set terminal pngcairo size 1600,920 font 'Arial,13' fontscale 2 linewidth 2 pointscale 2
}
set output 'twin_vs_sim.'.format
set xlabel 'wall-clock time, traces and fit included (s)'
set ylabel 'SLO attainment (share)'
set offsets 0, 0, 0.004, 0.004
set xrange [0:*]
set key outside top center horizontal samplen 2
plot for [seed = 1:5] 'curves.csv' using \
         (strcol('arm') eq 'cluster' && column('seed') == seed ? column('seconds') : NaN):'slo_attainment' \
         with linespoints lw 1.4 pt 6 ps 0.5 lc rgb '#56B4E9' title (seed == 1 ? 'trained on the simulator, a line for each seed' : ''), \
     for [seed = 1:5] 'curves.csv' using \
         (strcol('arm') eq 'twin' && column('seed') == seed ? column('seconds') : NaN):'slo_attainment' \
         with linespoints lw 1.4 pt 7 ps 0.35 lc rgb '#0072B2' title (seed == 1 ? 'trained in the twin' : '')
unset output
}
