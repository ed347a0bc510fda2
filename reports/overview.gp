# Forest plot: a row per cell. Columns of DATA: row, change, low, high, tolerance, state, name.
# state -> colour: regression, failed, missing red; undecided grey; new purple; improved and pass green and blue
array K[12] = [2, 2, 2, 6, 6, 5, 4, 3, 1, 1, 6, 6]
array M[12] = [9, 9, 9, 4, 4, 6, 12, 11, 7, 7, 6, 6]
set xrange [-WIDEST:WIDEST]
set yrange [0.2:ROWS + 0.8]
set xlabel "change of time, %  (right: slower)"
set format x "%+g"
unset key
set grid noytics
set ytics scale 0 font ",10" noenhanced
set object 1 rectangle from (100.0/(1 + TOLERANCE/100.0) - 100), graph 0 to TOLERANCE, graph 1 behind fillcolor rgb band fillstyle solid noborder
set arrow 1 from 0, graph 0 to 0, graph 1 nohead back linecolor rgb ink linewidth 1 dashtype 3
plot DATA using 2:1:3:4:(C[K[int($6) + 1]]):ytic(strcol(7)) with xerrorbars pointtype 0 linewidth 2 linecolor rgb variable, \
     DATA using 2:1:(M[int($6) + 1]):(C[K[int($6) + 1]]) with points pointtype variable pointsize 1.1 linecolor rgb variable
set output
