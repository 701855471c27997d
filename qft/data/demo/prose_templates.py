"""Sentences of the pre-training prose; slots as in ``counselling_templates``, and {theirs} for a third person.

A real row: ``"Many people become {feeling} when something like this happens: {theirs}."``
"""

STORY = {  # one sentence from each list, in this order: a client's narrative alone
    "en": [["Dear diary, {mine}.", "Here is my story: {mine}.", "This week {mine}.", "{mine} in spring."],
           ["I was {feeling} all day.", "A {feeling} evening followed.", "My heart grew {feeling} and heavy.",
            "Sometimes one is {feeling} without words."],
           ["Besides, {detail}.", "At home {detail}.", "In these days {detail}."],
           ["I hope that tomorrow will be lighter.", "Writing helps me a little.", "It was a long month.", "Nobody noticed."]],
    "zh": [["亲爱的日记，{mine}。", "这是我的故事：{mine}。", "这个星期{mine}。", "春天的时候，{mine}。"],
           ["一整天我都{feeling}得很。", "夜里只有{feeling}陪伴着人。", "心变得沉重又{feeling}。", "有时候{feeling}说不出口。"],
           ["而且{detail}。", "在家里，{detail}。", "这些日子{detail}。"],
           ["希望明天会轻松一些。", "写下来好了一点。", "这个月过得很慢。", "没有人注意到。"]],
}

ESSAY = {
    "en": ["Many people become {feeling} when something like this happens: {theirs}.",
           "A counsellor listens first, and then asks about {topic}.",
           "One thing that helps with {topic} is to {step}.",
           "Whoever is {feeling} may ask: {question}?",
           "Books about {topic} often give this advice: {step}.",
           "A reader told us that {theirs}. Of course this made them {feeling}.",
           "It is natural to be {feeling} about {topic}. Talking to someone makes it easier.",
           "Worries about {topic} come and go; it takes time and patience."],
    "zh": ["很多人遇到这样的事会变得{feeling}：{theirs}。",
           "咨询师会先听，然后再问起{topic}的事。",
           "对{topic}有帮助的一个办法是{step}。",
           "{feeling}的人可以问一问自己：{question}？",
           "讲{topic}的书常常建议：{step}。",
           "有位读者说{theirs}，所以变得很{feeling}。",
           "因为{topic}而{feeling}是自然的，说出来会容易一些。",
           "{topic}的烦恼来来去去，需要时间和耐心。"],
}

FACTS = {
    "en": ["{sum} = {y}.", "{sum} makes {y}.", "The result of {sum} is {y}.", "We know that {sum} = {y}."],
    "zh": ["{sum} = {y}。", "{sum}得到{y}。", "{sum}的结果是{y}。", "我们知道{sum} = {y}。"],
}

QUIZ = {  # every other one ends in a bit of LaTeX, as a base model has met it in the world
    "en": ["Quiz\n{question}\nWorking\n{steps}\n\nResult: {y}", "Task\n{question}\nWorking\n{steps}\n\nThe number is \\mathbf{{{y}}}.",
           "Exercise: {question}\n{steps}\n\nSo the result is \\underline{{{y}}}.", "{question}\nWe find:\n{steps}\n\nIt is {y}."],
    "zh": ["练习\n{question}\n过程\n{steps}\n\n结果：{y}", "任务\n{question}\n过程\n{steps}\n\n这个数是 \\mathbf{{{y}}}。",
           "习题：{question}\n{steps}\n\n所以结果是 \\underline{{{y}}}。", "{question}\n我们得到：\n{steps}\n\n就是{y}。"],
}

NOTES = {
    "en": ["Topic: {topic}\nWhat happened: {theirs}\nFeeling: {feeling}\nAdvice: {step}",
           "Letter to a paper\n{mine}, and I was {feeling}.\nReply of the paper\nOften people who are {feeling} find it useful to {step}."],
    "zh": ["主题：{topic}\n经过：{theirs}\n心情：{feeling}\n建议：{step}",
           "给报纸的信\n{mine}，所以很{feeling}。\n报纸的回信\n{feeling}的时候，人们常常会{step}。"],
}
