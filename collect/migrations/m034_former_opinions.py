"""The history of opinions holds what stands no more; what stands is in `feedback` alone, so a first vote is one row."""

from typing import Final

FORMER_OPINIONS: Final = """
delete from feedback_history where rowid in (
    select h.row
    from (
        select max(rowid) as row, message_id, voter, arg_max(
            {'vote': vote, 'reasons': reasons, 'comment': comment, 'ideal_answer': ideal_answer, 'voted_at': voted_at},
            rowid
        ) as said
        from feedback_history group by message_id, voter
    ) as h
    join feedback as f using (message_id, voter)
    where h.said = {'vote': f.vote, 'reasons': f.reasons, 'comment': f.comment, 'ideal_answer': f.ideal_answer,
        'voted_at': f.voted_at}
);
"""
