from __future__ import annotations
import math, re
from collections import Counter, defaultdict
from aurora_soar.personas import profile as P
from aurora_soar.personas.lexicon import lexicon
from aurora_soar.personas.wording import words
MAIN=0.2; PEN=0.8; REST=0.3; SURE=3.0; HEAD=1.25; CUT=0.4; SHARP=2.0; SUB=0.5; PREP=0.75; TAU=0.45; LAM=0.2
STOP=set(words("about after also always and are as at be been before by can could do does each every from get give has have how if in into is it look make may must need needs not off on or out over should show so such than then there they to up use used using want was way we what when where whether which who will with would you add build change create update implement set keep let fix user users write for new work works"))
SUBW=set(words("so because when which that who whose until after before while where since whether"))
PREPW=set(words("for in on with from about into to by using at as via without during across"))
SET=0.5; SETTINGS=frozenset('healthcare-specialist fintech-developer real-estate-specialist travel-specialist food-specialist agriculture-specialist energy-specialist automotive-engineer veterinarian geographer historian anthropologist fashion-designer teacher humanities-scholar event-planner logistics-tracker it-support-specialist hr-specialist building-architect interior-designer fitness-coach civil-engineer cultural-consultant'.split())
NEARBY=0.1; TOP=1
from functools import lru_cache
@lru_cache
def kin():
    T=P.fields_of_work(); k={n:set(f.near)|set(f.part_of) for n,f in T.items()}
    for n,f in T.items():
        for p in f.part_of: k[p].add(n)
    return k

def topic(text):
    ws=words(text); weights=[]; w=1.0
    for x in ws:
        if x in SUBW: w=SUB
        elif x in PREPW: w=min(w,PREP)
        weights.append(w)
    e=lexicon().spoken_of(ws,[HEAD*weights[0],*weights[1:]] if weights else weights)
    if not e: return {},ws,{}
    T=P.fields_of_work()
    e={k:v+NEARBY*sum(sorted((e.get(g,0) for g in kin()[k]),reverse=True)[:TOP]) for k,v in e.items()}
    if not e: return {},ws,{}
    e={k:v*(SET if k in SETTINGS else 1) for k,v in e.items()}
    m=max(e.values()); full=e; tf=sum(e.values())
    e={k:v**SHARP for k,v in e.items() if v>=CUT*m}
    t=sum(e.values())
    return {k:v/t for k,v in e.items()},ws,{'_':m}|{k:v/tf for k,v in full.items()}
class M:
    def __init__(s,personas):
        s.p=list(personas)
        s.cov={x.id:P.coverage(x) for x in s.p}
        s.words={x.id:set(words(' '.join([x.id,x.role,x.goal,x.when_to_use,*x.skills,*x.examples]))) for x in s.p}
        s.df=Counter(w for ws in s.words.values() for w in ws)
    def fit(s,text):
        q,ws,full=topic(text); s.sure=full.pop('_',0)
        content={w for w in ws if w not in STOP and not w.isdigit()}
        idf={w:math.log(1+(len(s.p)+1)/(s.df[w]+.5)) for w in content}
        tot=sum(idf.values()) or 1
        out=[]; top=max(q,key=q.get,default='')
        for x in s.p:
            c=s.cov[x.id]
            f=sum(v*c.get(k,0) for k,v in q.items())
            l=sum(i for w,i in idf.items() if w in s.words[x.id])/tot
            l=l+REST/LAM*sum(v*c.get(k,0) for k,v in full.items()) if LAM else l
            main=c.get(top,0)
            out.append(((f+LAM*l if main>=MAIN else (f+LAM*l)*PEN),f if main>=MAIN else f*PEN,l,x.id))
        out.sort(reverse=True)
        return q,out
    def match(s,text):
        q,out=s.fit(text)
        ideal=max(q,key=q.get,default='generalist')
        if not out or out[0][1]<TAU*min(1,s.sure/SURE): return 'gap',ideal,q,out
        return out[0][3],ideal,q,out
