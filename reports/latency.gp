# Columns: number of nines, ns, percentile. T: cells.
array T[SERIES]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale y
set xrange [0.2:4.2]
unset xtics
set xtics ("P50" 0.301, "P90" 1, "P95" 1.301, "P99" 2, "P99.9" 3, "P99.99" 4) nomirror out textcolor rgb ink
set xlabel "share of requests that were at most as late"
set ylabel "latency"
set format y "%.0s %cs"
set key above left vertical maxcols 1 reverse Left samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:($2 * 1e-9) with linespoints linewidth 2 pointtype shape(i) linecolor rgb colour(i) title T[i + 1]
set output
