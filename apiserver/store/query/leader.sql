-- name: GetLeader :one
SELECT leader.* FROM leader ORDER BY leader.term LIMIT 1;

-- name: RenewLeader :execrows
UPDATE leader SET beat = leader.beat + 1 WHERE leader.term = @term;

-- name: TakeOver :execrows
UPDATE leader SET term = leader.term + 1, holder = @holder, beat = 0 WHERE leader.term = @term;
