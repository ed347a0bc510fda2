# Columns: row, times slower, what is left out.
set xrange [LEAST * 0.8:MOST * (MOST > 8 ? 3 : 1.15)]
set yrange [0.2:ROWS + 0.8]
set xlabel "times slower without it"
if (MOST > 8) { set logscale x }
set format x "%g x"
unset key
set grid noytics
set ytics scale 0 font ",10" noenhanced
set arrow 1 from 1, graph 0 to 1, graph 1 nohead back linecolor rgb ink linewidth 1 dashtype 3
plot DATA using (1):1:($2 - 1):(0):ytic(strcol(3)) with vectors nohead linewidth 6 linecolor rgb C[1], \
     DATA using ($2 > 1 ? $2 : 1):1:(sprintf(" %.2f", $2)) with labels left textcolor rgb ink font ",10"
set output
